//! The publisher's side: which packet belongs to which encoding, what is missing, and what the publisher is told.
//!
//! ```text
//! Router -> Track -> Encoding { Stream: numbers, losses, reports, rates   Life: whether it flows   KeyframeRequests
//!                               Cache: its packets, for all subscribers   Start: what leads from the last keyframe to now }
//! ```

pub mod activity;
pub mod arrivals;
pub mod audio_level;
pub mod cache;
pub mod clarity;
pub mod clock;
pub mod encoding;
pub mod history;
pub mod keyframe;
pub mod life;
pub mod loudest;
pub mod nack;
pub mod pulse;
pub mod rates;
pub mod reception;
pub mod route;
pub mod start;
pub mod stream;
pub mod track;
