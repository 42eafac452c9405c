#![no_main]

#[path = "../../tests/script/mod.rs"]
mod script;
#[path = "../../tests/sim/mod.rs"]
mod sim;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| script::run(bytes));
