//! The specs that Python passes to the plane: frozen, keyword-only, and validated when they are created, so that a
//! command cannot fail later. Each mirrors the type of the same name in `plane_core::command` or `config`;
//! `_native.pyi` documents the fields.

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
pub use transport::{Fingerprint, IceCredentials, SctpSpec, TransportSpec, capture};
