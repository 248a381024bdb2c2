//! The `stp-audit` program.
fn main() {}
