pub mod association;
pub mod dcep;
pub mod channel;
