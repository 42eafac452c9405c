pub mod agent;
pub mod consent;
