//! Fingerprints from and to MUD files: what the maker of a device says it talks to (RFC 8520).
//!
//! A MUD file holds access lists (RFC 8519, with the names of RFC 8520, section 8) for the traffic from and to a device.
//! They name whole hosts, networks and ports, so a fingerprint's exact names, hints, addresses and ports pass there and
//! back; domains, patterns, hardware addresses, DHCP words and habits have no place in them.

mod export;
mod file;
mod import;
#[cfg(test)]
mod tests;

pub use export::{export, Exported};
pub use file::{MudError, LARGEST, MUD_FILE};
pub use import::{import, Imported};
