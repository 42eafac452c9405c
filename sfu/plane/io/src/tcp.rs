//! ICE over TCP (RFC 6544, passive): one port for all workers. The acceptor reads the first check of a connection, and
//! hands it to the worker that owns the user fragment in it.

pub mod acceptor;
mod connection;
pub mod links;
pub mod ufrags;

#[cfg(test)]
mod tests;
