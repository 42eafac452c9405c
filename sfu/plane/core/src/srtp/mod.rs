pub mod kdf;
pub mod cipher;
pub mod replay;
pub mod context;
