//! What must hold for a row, over its seeds.

use super::figure::Figure;
use super::spread::Spread;

/// Which of the seeds a bound is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// The median of the seeds.
    Median,
    /// 95 % of the seeds are on the right side.
    Most,
    /// Every seed.
    All,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bound {
    pub figure: Figure,
    pub of: Of,
    /// It is above this.
    pub least: Option<f64>,
    /// It is below this.
    pub most: Option<f64>,
    /// It does not hold yet. What is measured is in the scoreboard. A bound that begins to hold loses this mark.
    pub is_short: bool,
}

pub fn below(figure: Figure, of: Of, most: f64) -> Bound {
    Bound { figure, of, least: None, most: Some(most), is_short: false }
}

pub fn above(figure: Figure, of: Of, least: f64) -> Bound {
    Bound { figure, of, least: Some(least), most: None, is_short: false }
}

pub fn between(figure: Figure, of: Of, least: f64, most: f64) -> Bound {
    Bound { least: Some(least), ..below(figure, of, most) }
}

impl Bound {
    pub fn short(self) -> Self {
        Self { is_short: true, ..self }
    }

    pub fn holds(&self, spread: &Spread) -> bool {
        let (low, high) = match self.of {
            Of::Median => (spread.p50, spread.p50),
            Of::Most => (spread.p5, spread.p95),
            Of::All => (spread.min, spread.max),
        };
        self.least.is_none_or(|least| low > least) && self.most.is_none_or(|most| high < most)
    }

    /// Bounds that nothing can hold: below nothing, and above everything.
    pub fn impossible(self) -> Vec<Self> {
        let below = self.most.map(|_| Self { most: Some(0.0), ..self });
        let above = self.least.map(|_| Self { least: Some(f64::INFINITY), ..self });
        below.into_iter().chain(above).collect()
    }

    /// As the scoreboard says it.
    pub fn sentence(&self) -> String {
        let of = match self.of {
            Of::Median => "median",
            Of::Most => "p95",
            Of::All => "each",
        };
        let range = match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("> {least}"),
            (None, Some(most)) => format!("< {most}"),
            (None, None) => String::new(),
        };
        format!("{} {of} {range}", self.figure.name())
    }
}
