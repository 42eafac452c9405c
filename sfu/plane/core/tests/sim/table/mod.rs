//! The table of networks: rows of a scenario, the bounds that must hold and the seeds. The tests, the sweep and the
//! scoreboard come from it.

pub mod bound;
pub mod figure;
pub mod rows;
pub mod running;
pub mod scenario;
pub mod scoreboard;
pub mod spread;

use bound::Bound;
use figure::{ALWAYS, Figure};
use scenario::Scenario;

/// The seeds of the scoreboard. The first ones are run by every `make test`.
pub const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;
pub const FEW: u64 = 3;

pub struct Row {
    /// What the network is like. It orders the scoreboard.
    pub name: String,
    pub scenario: Scenario,
    pub bounds: Vec<Bound>,
}

impl Row {
    /// The figures that the scoreboard has for it.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = ALWAYS.into_iter().chain(self.bounds.iter().map(|bound| bound.figure)).collect();
        figures.sort();
        figures.dedup();
        figures
    }
}
