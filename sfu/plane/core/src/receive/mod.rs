//! The publisher's side: routes each packet to its encoding, tracks losses, and sends feedback to the publisher.
//!
//! ```text
//! Router -> Track -> Encoding { Stream: numbers, losses, reports, rates   Life: flowing or stopped   KeyframeRequests
//!                               Cache: its packets, for all subscribers   Start: its packets since the last keyframe }
//! ```

pub mod activity;
pub mod arrival;
pub mod arrival_times;
pub mod audio_level;
pub mod cache;
pub mod clarity;
pub mod clock;
pub mod encoding;
pub mod history;
pub mod keyframe;
pub mod life;
pub mod listeners;
pub mod losses;
pub mod loudest;
pub mod nack;
pub mod packet;
pub mod pulse;
pub mod rates;
pub mod rebuild;
pub mod reception;
pub mod route;
pub mod rung;
pub mod start;
pub mod stream;
pub mod track;
