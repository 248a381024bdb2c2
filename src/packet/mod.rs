//! What a frame says.

pub mod dhcp;
pub mod dns;
pub mod hello;
pub mod http;
pub mod name;
pub mod quic;
pub mod stitch;
pub mod tls;
