pub mod session;
pub mod resend;
pub mod ffi;
pub mod identity;
