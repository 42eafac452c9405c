//! What Python says to the plane: frozen, keyword-only specs, checked when they are made, so that a command cannot fail
//! later. Each mirrors its namesake in `plane_core::command` or `config`; `_native.pyi` says what the fields mean.

mod checks;
mod config;
mod data;
mod media;
mod sound;
mod transport;

pub use config::{DataLimits, PlaneConfig, Silence};
pub use data::{ChannelSpec, membership};
pub use media::{EncodingSpec, Layer, PayloadType, Rung, SlotSpec, TrackSpec};
pub use sound::AudioPolicy;
pub use transport::{Fingerprint, IceCredentials, SctpSpec, TransportSpec};
