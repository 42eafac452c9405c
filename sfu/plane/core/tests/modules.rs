//! The dependencies between modules of the crate: a module names only modules of lower ranks.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules by rank, highest first. `ARCHITECTURE.md` has the same order.
const RANKS: [&[&str]; 12] = [
    &["plane"],
    &["transport"],
    &["send", "data", "ice"],
    &["bwe"],
    &["receive", "config", "stats"],
    &["dtls"],
    &["srtp", "batch", "capture", "link"],
    &["event"],
    &["command"],
    &["rtcp", "rtp", "codec"],
    &["limits", "timer", "demux"],
    &["broken", "discard", "id", "layer", "owners", "time", "trace"],
];

fn rank(module: &str) -> usize {
    let found = RANKS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` has no rank"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The modules that a line of code names by `crate::`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    let module = |rest: &'_ str| rest.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(rest.len());
    code.split("crate::").skip(1).map(move |rest| &rest[..module(rest)]).filter(|name| !name.is_empty())
}

#[test]
fn a_module_uses_only_modules_of_lower_ranks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).expect("it is in the folder");
        let top = relative.iter().next().expect("it has a name").to_string_lossy();
        let (module, is_test) =
            (top.trim_end_matches(".rs"), relative.iter().any(|part| part.to_string_lossy().starts_with("tests")));
        if module == "lib" || is_test {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        // Tests in a file are its last item.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for name in code.lines().flat_map(named).filter(|name| *name != module) {
            checked += 1;
            if rank(name) <= rank(module) {
                wrong.push(format!("{} uses `{name}`", relative.display()));
            }
        }
    }
    assert!(checked > 300, "{checked} uses were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
