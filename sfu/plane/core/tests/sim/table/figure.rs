//! The figures of the scoreboard: their names, their units and which way is worse.

use super::super::record::Figures;

/// A figure of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Figure {
    Estimate,
    Queue,
    Frozen,
    LongestFreeze,
    Torn,
    Media,
    Above,
    Risen,
    Drained,
    Resumed,
    Top,
    TopAfter,
    Wasted,
    Asked,
    Concealed,
    Dropped,
    TooLarge,
    Share,
}

/// Those that the scoreboard has for every row.
pub const ALWAYS: [Figure; 6] =
    [Figure::Estimate, Figure::Queue, Figure::Frozen, Figure::LongestFreeze, Figure::Torn, Figure::Media];

pub const ALL: [Figure; 18] = [
    Figure::Estimate,
    Figure::Queue,
    Figure::Frozen,
    Figure::LongestFreeze,
    Figure::Torn,
    Figure::Media,
    Figure::Above,
    Figure::Risen,
    Figure::Drained,
    Figure::Resumed,
    Figure::Top,
    Figure::TopAfter,
    Figure::Wasted,
    Figure::Asked,
    Figure::Concealed,
    Figure::Dropped,
    Figure::TooLarge,
    Figure::Share,
];

/// What is worse.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Worse {
    Higher,
    Lower,
    /// Neither alone: more or less than the link carries.
    Away,
}

impl Figure {
    pub fn of(self, figures: &Figures) -> f64 {
        match self {
            Figure::Estimate => figures.estimate / 1_000.0,
            Figure::Queue => figures.queue,
            Figure::Frozen => figures.frozen * 100.0,
            Figure::LongestFreeze => figures.longest_freeze,
            Figure::Torn => figures.torn,
            Figure::Media => figures.media * 100.0,
            Figure::Above => figures.above,
            Figure::Risen => figures.risen,
            Figure::Drained => figures.drained,
            Figure::Resumed => figures.resumed,
            Figure::Top => figures.top * 100.0,
            Figure::TopAfter => figures.top_after,
            Figure::Wasted => figures.wasted * 100.0,
            Figure::Asked => figures.asked * 100.0,
            Figure::Concealed => figures.concealed * 100.0,
            Figure::Dropped => figures.dropped * 100.0,
            Figure::TooLarge => figures.too_large,
            Figure::Share => figures.share * 100.0,
        }
    }

    /// Its name and unit in the scoreboard.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Estimate => "estimate, kbit/s",
            Figure::Queue => "queue, ms",
            Figure::Frozen => "frozen, %",
            Figure::LongestFreeze => "longest freeze, ms",
            Figure::Torn => "torn frames",
            Figure::Media => "media, %",
            Figure::Above => "above 1.25, ms",
            Figure::Risen => "estimate back, ms",
            Figure::Drained => "queue drained, ms",
            Figure::Resumed => "picture back, ms",
            Figure::Top => "best encoding, %",
            Figure::TopAfter => "best encoding back, ms",
            Figure::Wasted => "NACKs wasted, %",
            Figure::Asked => "packets requested, %",
            Figure::Concealed => "audio concealed, %",
            Figure::Dropped => "dropped, %",
            Figure::TooLarge => "too large",
            Figure::Share => "share, %",
        }
    }

    pub fn worse(self) -> Worse {
        match self {
            Figure::Estimate => Worse::Away,
            Figure::Media | Figure::Top | Figure::Share => Worse::Lower,
            _ => Worse::Higher,
        }
    }

    /// What a single frame, packet or sample of a run changes. A smaller change says nothing.
    pub fn grain(self) -> f64 {
        match self {
            Figure::Estimate => 20.0,
            Figure::Queue => 10.0,
            Figure::Frozen => 0.5,
            Figure::LongestFreeze | Figure::Above | Figure::Risen | Figure::Drained | Figure::Resumed => 100.0,
            Figure::TopAfter => 300.0,
            Figure::Torn => 3.0,
            Figure::Media | Figure::Top | Figure::Share => 2.0,
            Figure::Wasted | Figure::Asked | Figure::Concealed => 0.5,
            Figure::Dropped => 0.2,
            Figure::TooLarge => 0.5,
        }
    }
}
