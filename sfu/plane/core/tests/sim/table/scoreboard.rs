//! The committed scoreboard: `loadtest/NETWORKS.md` for people, `loadtest/networks.csv` for programs, and the seeds that
//! failed once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::bound::Bound;
use super::figure::{ALL, ALWAYS, Figure, Worse};
use super::running::Results;
use super::spread::Spread;
use super::{Row, SEEDS};

/// What was measured over all seeds, by row and figure.
pub type Entries = BTreeMap<(String, Figure), Spread>;

const HEAD: &str = "row,figure,min,p5,p50,p95,max";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Values of a figure of a row, by seed.
pub fn values(results: &Results, row: usize, figure: Figure, seeds: impl Fn(u64) -> bool) -> Vec<f64> {
    let of_row = results.range((row, 0)..=(row, u64::MAX)).filter(|((_, seed), _)| seeds(*seed));
    of_row.map(|(_, figures)| figure.of(figures)).collect()
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The entries that results of all seeds give.
pub fn entries(rows: &[Row], results: &Results) -> Entries {
    let mut entries = Entries::new();
    for (place, row) in rows.iter().enumerate() {
        for figure in row.figures() {
            let spread = Spread::of_all(&values(results, place, figure, |seed| SEEDS.contains(&seed)));
            entries.insert((row.name.clone(), figure), spread);
        }
    }
    entries
}

/// Whether the mean of a few seeds is worse by more than 10 %, and more than one event, than 19 in 20 of the committed
/// ones. A row whose seeds differ widely, because one change of a queue leads to others, tells less.
pub fn is_worse(figure: Figure, committed: &Spread, now: f64, capacity: f64) -> bool {
    let is_above = |worst: f64, now: f64| now > worst * 1.1 + figure.grain();
    let is_below = now < committed.p5 * 0.9 - figure.grain();
    match figure.worse() {
        Worse::Higher => is_above(committed.p95, now),
        Worse::Lower => is_below,
        // More than the link carries is as bad as less.
        Worse::Away if capacity.is_finite() => {
            let away = |rate: f64| (rate - capacity).abs();
            is_above(away(committed.p5).max(away(committed.p95)), away(now))
        }
        Worse::Away => is_below,
    }
}

/// Reads the committed entries.
pub fn read() -> Entries {
    let text = fs::read_to_string(root().join("loadtest/networks.csv")).expect("`make sweep` has written it");
    text.lines().skip(1).map(parse).collect()
}

fn parse(line: &str) -> ((String, Figure), Spread) {
    let (row, rest) = line.strip_prefix('"').and_then(|line| line.split_once("\",\"")).expect("a row in quotes");
    let (name, rest) = rest.split_once("\",").expect("a figure in quotes");
    let numbers: Vec<f64> = rest.split(',').map(|number| number.parse().expect("a number")).collect();
    let figure = ALL.into_iter().find(|figure| figure.name() == name).expect("a known figure");
    ((row.into(), figure), Spread::from_fields(numbers.try_into().expect("five of them")))
}

/// Writes both files.
pub fn write(rows: &[Row], entries: &Entries) {
    let mut csv = format!("{HEAD}\n");
    for ((row, figure), spread) in entries {
        let numbers = spread.fields().map(|number| format!("{number:.2}"));
        writeln!(csv, "\"{row}\",\"{}\",{}", figure.name(), numbers.join(",")).expect("a string grows");
    }
    fs::write(root().join("loadtest/networks.csv"), csv).expect("the folder is there");
    fs::write(root().join("loadtest/NETWORKS.md"), page(rows, entries)).expect("the folder is there");
}

fn page(rows: &[Row], entries: &Entries) -> String {
    let mut page = String::from(include_str!("scoreboard.md"));
    let names = ALWAYS.map(Figure::name).join(" | ");
    let mut group = "";
    for row in rows {
        let (of, name) = row.name.split_once(": ").expect("a group and a name");
        if of != group {
            group = of;
            write!(page, "\n## {of}\n\n| network | {names} |\n| --- |{}\n", " --- |".repeat(ALWAYS.len()))
                .expect("a string grows");
        }
        let cell = |figure: Figure| {
            let spread = entries[&(row.name.clone(), figure)];
            format!("{} / {}", number(spread.p50), number(spread.p95))
        };
        writeln!(page, "| {name} | {} |", ALWAYS.map(cell).join(" | ")).expect("a string grows");
    }
    page.push_str("\n## Bounds\n\n| network | holds | **short**: median / p95 |\n| --- | --- | --- |\n");
    for row in rows {
        let measured = |bound: &Bound| {
            let spread = entries[&(row.name.clone(), bound.figure)];
            format!("{}: {} / {}", bound.sentence(), number(spread.p50), number(spread.p95))
        };
        let (short, holds): (Vec<&Bound>, Vec<&Bound>) = row.bounds.iter().partition(|bound| bound.is_short);
        let holds: Vec<String> = holds.into_iter().map(Bound::sentence).collect();
        let short: Vec<String> = short.into_iter().map(measured).collect();
        writeln!(page, "| {} | {} | {} |", row.name, holds.join("; "), short.join("; ")).expect("a string grows");
    }
    page
}

fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn failed_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/failed_seeds.csv")
}

/// Rows and seeds that failed once.
pub fn failed() -> Vec<(String, u64)> {
    let text = fs::read_to_string(failed_file()).expect("it is committed");
    let parse = |line: &str| {
        let (row, seed) = line.rsplit_once(',')?;
        Some((row.trim_matches('"').to_string(), seed.parse().ok()?))
    };
    text.lines().skip(1).map(|line| parse(line).expect("a row in quotes, a seed")).collect()
}

/// Adds to them.
pub fn add_failed(more: &[(String, u64)]) {
    let mut all = [failed(), more.to_vec()].concat();
    all.sort();
    all.dedup();
    let lines: String = all.iter().map(|(row, seed)| format!("\"{row}\",{seed}\n")).collect();
    fs::write(failed_file(), format!("row,seed\n{lines}")).expect("the folder is there");
}
