//! The packet plane of the SFU: ICE-lite, DTLS-SRTP, SCTP, RTP routing, rewriting and feedback, sans-IO.
//!
//! One [`Plane`] is one worker's world. It opens no socket, starts no thread and reads no clock: datagrams, commands
//! and the time come in by argument, datagrams and events are polled out. It has four kinds of method: getters,
//! `handle_*` for what the world did, `apply` for what Python wants, and `poll_*` for what to do next.

pub mod batch;
pub mod broken;
pub mod codec;
pub mod command;
pub mod config;
pub mod data;
pub mod demux;
pub mod discard;
pub mod dtls;
pub mod event;
pub mod ice;
pub mod id;
pub mod layer;
pub mod limits;
pub mod plane;
pub mod receive;
pub mod rtcp;
pub mod rtp;
pub mod send;
pub mod srtp;
pub mod stats;
pub mod time;
pub mod timer;
pub mod transport;

pub use command::Command;
pub use config::Config;
pub use discard::Discard;
pub use event::Event;
pub use plane::Plane;
