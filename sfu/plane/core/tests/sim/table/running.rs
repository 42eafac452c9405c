//! Runs rows with seeds on all cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::super::record::Figures;
use super::Row;

/// The figures by row and seed.
pub type Results = BTreeMap<(usize, u64), Figures>;

/// Runs each pair of a row's place and a seed. `progress` is called after each run with how many are done.
pub fn run(rows: &[Row], runs: &[(usize, u64)], mut progress: impl FnMut(usize)) -> Results {
    let (next, (sender, done)) = (AtomicUsize::new(0), mpsc::channel());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut results = Results::new();
    thread::scope(|scope| {
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(&(row, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let figures = rows[row].scenario.run(seed);
                    if sender.send(((row, seed), figures)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        while let Ok((run, figures)) = done.recv() {
            results.insert(run, figures);
            progress(results.len());
        }
    });
    results
}

/// Every pair of a row and one of the seeds.
pub fn pairs(rows: &[Row], seeds: impl IntoIterator<Item = u64> + Clone) -> Vec<(usize, u64)> {
    (0..rows.len()).flat_map(|row| seeds.clone().into_iter().map(move |seed| (row, seed))).collect()
}
