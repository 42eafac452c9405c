//! Sockets, threads and the clock around [`plane_core::Plane`]. One worker is one thread, one UDP port and one plane.
//! Workers share only the application's mailbox, and the TCP port. This crate does not depend on Python.

pub mod control;
pub mod mailbox;
pub mod port;
pub mod reports;
pub mod socket;
pub mod tcp;
pub mod trace;
pub mod worker;
pub mod workers;

pub use mailbox::News;
pub use port::CannotBind;
pub use trace::Trace;
pub use workers::{Config, Workers};
