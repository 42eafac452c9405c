pub mod slot;
pub mod selector;
pub mod rewriter;
pub mod cache;
pub mod report;
pub mod pacer;
pub mod packet;
