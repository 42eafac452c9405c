//! Sockets, threads and the clock around [`plane_core::Plane`]: one worker is one thread, one UDP port and one plane,
//! and shares nothing with the others but the mailbox the application reads. Knows no Python.

pub mod control;
pub mod mailbox;
pub mod port;
pub mod reports;
pub mod socket;
pub mod worker;
pub mod workers;

pub use mailbox::News;
pub use port::CannotBind;
pub use workers::{Config, Workers};
