//! The packet plane of the SFU: ICE-lite, DTLS-SRTP, SCTP, RTP routing, rewriting and feedback, sans-IO.
//!
//! One [`Plane`] holds the state of one worker. It opens no socket, starts no thread and reads no clock: datagrams,
//! commands and the time are arguments; datagrams and events are polled. [`Plane`] documents the order of calls.
//! Everything else is internal: the modules that are hidden here are public only for tests, benchmarks and fuzz
//! targets.
//!
//! # The shapes of a media packet
//!
//! ```text
//! datagram -> Header, Extensions -> Arrival -> Cached (in the cache and the start) -> Taken
//! Cached   -> Packet -> Slot -> Outgoing -> Queued -> pacer -> datagram
//!                                        -> Entry  -> Outgoing, for a retransmission
//! ```
//!
//! Only `Cached` and `Entry` outlive the datagram, and only `Cached` has a payload.
//! `ARCHITECTURE.md` has a table of what each is for.

#![warn(missing_docs)]

pub mod batch;
mod broken;
#[doc(hidden)]
pub mod bwe;
mod capture;
pub mod codec;
pub mod command;
pub mod config;
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod demux;
pub mod discard;
#[doc(hidden)]
pub mod dtls;
pub mod event;
#[doc(hidden)]
pub mod ice;
pub mod id;
pub mod layer;
pub mod limits;
#[doc(hidden)]
pub mod link;
mod owners;
pub mod plane;
mod receive;
#[doc(hidden)]
pub mod rtcp;
#[doc(hidden)]
pub mod rtp;
#[doc(hidden)]
pub mod send;
#[doc(hidden)]
pub mod srtp;
pub mod stats;
pub mod time;
pub mod timer;
pub mod trace;
mod transport;

pub use command::Command;
pub use config::Config;
pub use discard::Discard;
pub use event::Event;
pub use plane::Plane;
