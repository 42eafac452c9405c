//! The inputs of fuzz targets: named ones, and those that a run kept for their coverage.

use std::fs;
use std::path::{Path, PathBuf};

fn below(folder: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target)
}

/// The files of `tests/corpora/<target>`; none if the folder does not exist.
pub fn named(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = below("tests/corpora", target);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("a readable file"))).collect()
}

/// The pack `fuzz/corpora/<target>`, which `scripts/fuzz --keep` writes: inputs, each after its length in two octets.
pub fn kept(target: &str) -> Vec<Vec<u8>> {
    let pack = fs::read(below("fuzz/corpora", target)).expect("a kept corpus");
    let (mut inputs, mut rest) = (Vec::new(), &pack[..]);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (input, next) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
        inputs.push(input.to_vec());
        rest = next;
    }
    inputs
}
