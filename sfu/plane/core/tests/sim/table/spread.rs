//! How a figure is spread over the seeds of a row.

use super::super::record::percentile;

#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Spread {
    pub min: f64,
    pub p5: f64,
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

impl Spread {
    /// Of 20 seeds one is outside of p5, and one outside of p95.
    pub fn of_all(values: &[f64]) -> Self {
        let at = |share| percentile(values.iter().copied(), share);
        Self { min: at(0.0), p5: at(0.051), p50: at(0.5), p95: at(0.95), max: at(1.0) }
    }

    /// Of a few seeds, of which one may be the one in twenty.
    pub fn of_few(values: &[f64]) -> Self {
        let all = Self::of_all(values);
        Self { p5: all.p50, p95: all.p50, ..all }
    }

    pub fn fields(&self) -> [f64; 5] {
        [self.min, self.p5, self.p50, self.p95, self.max]
    }

    pub fn from_fields([min, p5, p50, p95, max]: [f64; 5]) -> Self {
        Self { min, p5, p50, p95, max }
    }
}
