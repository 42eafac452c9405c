//! The table of bad networks: each row of `sim/table/rows.rs` with a few seeds, against its bounds and the committed
//! scoreboard.

mod sim;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use plane_core::command::{DtlsRole, Kind};
use sim::network::Way;
use sim::table::running::{self, Results};
use sim::table::scoreboard::{self, mean, values};
use sim::table::spread::Spread;
use sim::table::{FEW, Row, SEEDS, rows};
use sim::{Call, Link};

/// Each row with the first seeds, and with those that failed once. The tests share one run.
fn few() -> &'static (Vec<Row>, Results) {
    static FEW_RUNS: OnceLock<(Vec<Row>, Results)> = OnceLock::new();
    FEW_RUNS.get_or_init(|| {
        let rows = rows::all();
        let mut runs = running::pairs(&rows, 1..=FEW);
        let place = |name: &str| rows.iter().position(|row| row.name == name).expect("a row of the table");
        runs.extend(scoreboard::failed().iter().map(|(name, seed)| (place(name), *seed)));
        let results = running::run(&rows, &runs, |_| {});
        (rows, results)
    })
}

#[test]
fn the_bounds_of_every_row_hold_and_none_holds_that_is_marked_short() {
    let (rows, results) = few();
    let committed = scoreboard::read();
    let mut wrong = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for bound in &row.bounds {
            let measured = values(results, place, bound.figure, |seed| seed <= FEW);
            let entry = committed.get(&(row.name.clone(), bound.figure));
            let held = entry.is_some_and(|spread| bound.holds(spread));
            let name = format!("{}: {}", row.name, bound.sentence());
            match bound.is_short {
                true if held => wrong.push(format!("{name} holds by the scoreboard: remove the mark `short`")),
                false if !held => wrong.push(format!("{name} does not hold by the scoreboard: {entry:?}")),
                false if !bound.holds(&Spread::of_few(&measured)) => {
                    wrong.push(format!("{name} does not hold: {measured:?}"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_row_is_worse_than_the_scoreboard_by_10_percent() {
    let (rows, results) = few();
    let committed = scoreboard::read();
    let mut worse = Vec::new();
    let mut known = BTreeSet::new();
    for (place, row) in rows.iter().enumerate() {
        for figure in row.figures() {
            let key = (row.name.clone(), figure);
            let Some(spread) = committed.get(&key) else {
                worse.push(format!("{key:?} is not in the scoreboard: make sweep"));
                continue;
            };
            known.insert(key.clone());
            let now = mean(&values(results, place, figure, |seed| seed <= FEW));
            if scoreboard::is_worse(figure, spread, now, row.scenario.course.capacity / 1_000.0) {
                worse.push(format!("{}: {} is {now:.2}: {spread:?}", row.name, figure.name()));
            }
        }
    }
    worse.extend(committed.keys().filter(|key| !known.contains(key)).map(|key| format!("{key:?} is in no row")));
    assert!(worse.is_empty(), "{}", worse.join("\n"));
}

#[test]
fn seeds_that_failed_once_hold() {
    let (rows, results) = few();
    for (name, seed) in scoreboard::failed() {
        let place = rows.iter().position(|row| row.name == name).expect("a row of the table");
        for bound in rows[place].bounds.iter().filter(|bound| !bound.is_short) {
            let measured = values(results, place, bound.figure, |of| of == seed);
            assert!(bound.holds(&Spread::of_all(&measured)), "{name}, seed {seed}: {}", bound.sentence());
        }
    }
}

#[test]
fn a_bound_of_nothing_fails_in_every_row() {
    let (rows, results) = few();
    for (place, row) in rows.iter().enumerate() {
        for bound in &row.bounds {
            let measured = values(results, place, bound.figure, |seed| seed <= FEW);
            assert!(!bound.impossible().is_empty());
            for impossible in bound.impossible() {
                let name = format!("{}: {}", row.name, impossible.sentence());
                assert!(!impossible.holds(&Spread::of_few(&measured)), "{name}");
                assert!(!impossible.holds(&Spread::of_all(&measured)), "{name}");
            }
        }
    }
}

#[test]
fn a_worse_figure_is_noticed() {
    let rows = rows::all();
    for ((name, figure), spread) in scoreboard::read() {
        let row = rows.iter().find(|row| row.name == name).expect("a row of the table");
        let capacity = row.scenario.course.capacity / 1_000.0;
        let (more, less) = (spread.p95 * 1.2 + 2.0 * figure.grain(), spread.p5 * 0.8 - 2.0 * figure.grain());
        let is_worse = |now| scoreboard::is_worse(figure, &spread, now, capacity);
        assert!(is_worse(more) || is_worse(less), "{name}: {figure:?}");
        assert!(!is_worse(spread.p50), "{name}: {figure:?}");
    }
}

#[test]
fn a_handshake_fits_into_a_path_of_1280_octets() {
    let narrow = Link { mtu: 1_280, headers: 48, ..Link::default() };
    let mut call = Call::new(1);
    let peer = call.invite(DtlsRole::Server);
    (call.up[peer], call.down[peer]) = (narrow, narrow);
    call.connect(peer);
    call.publish(peer, Kind::Video, &[]);
    assert_eq!(call.network.pipe(Way::Down, peer).counts.too_large, 0);
}

/// Runs all rows with all seeds, writes the scoreboard, and looks for failing seeds among new ones.
#[test]
#[ignore = "minutes: make sweep"]
fn sweep() {
    let mut rows = rows::all();
    let wanted = std::env::var("ROW").unwrap_or_default();
    rows.retain(|row| row.name.contains(&wanted));
    let report = |what: &'static str, of: usize| {
        move |done: usize| {
            if done == of || done.is_multiple_of(20) {
                print!("\rsweep: {what}: {done} of {of} runs");
                let _ = std::io::stdout().flush();
            }
        }
    };
    let runs = running::pairs(&rows, SEEDS);
    let results = running::run(&rows, &runs, report("the scoreboard's seeds", runs.len()));
    let entries = scoreboard::entries(&rows, &results);
    // The rows that did not run keep what is committed of them.
    let mut all = if wanted.is_empty() { scoreboard::Entries::new() } else { scoreboard::read() };
    all.extend(entries.clone());
    scoreboard::write(&rows::all(), &all);
    println!();
    for (row, bound) in rows.iter().flat_map(|row| row.bounds.iter().map(move |bound| (row, bound))) {
        let spread = entries[&(row.name.clone(), bound.figure)];
        match (bound.holds(&spread), bound.is_short) {
            (true, true) => println!("holds now, and is marked short: {}: {}", row.name, bound.sentence()),
            (false, false) => println!("does not hold: {}: {}: {spread:?}", row.name, bound.sentence()),
            _ => {}
        }
    }
    let new: u64 = std::env::var("NEW").ok().and_then(|count| count.parse().ok()).unwrap_or(2);
    let first = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let runs = running::pairs(&rows, first..first + new);
    let drawn = running::run(&rows, &runs, report("new seeds", runs.len()));
    println!();
    let mut failed = Vec::new();
    for (place, seed) in runs {
        let row = &rows[place];
        // A single seed says nothing of a median, and may be the one in twenty.
        for bound in row.bounds.iter().filter(|bound| !bound.is_short && bound.of == sim::table::bound::Of::All) {
            let measured = values(&drawn, place, bound.figure, |of| of == seed);
            if !bound.holds(&Spread::of_all(&measured)) {
                println!("fails with seed {seed}: {}: {}: {measured:?}", row.name, bound.sentence());
                failed.push((row.name.clone(), seed));
            }
        }
    }
    scoreboard::add_failed(&failed);
    println!("sweep: wrote loadtest/NETWORKS.md and loadtest/networks.csv; {} new failing seeds", failed.len());
}
