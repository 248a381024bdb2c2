//! What a frame says: headers, and the names that travel in the clear.

pub mod dhcp;
pub mod dissect;
pub mod dns;
pub mod glance;
pub mod headers;
pub mod hello;
pub mod http;
pub mod link;
pub mod name;
pub mod quic;
pub mod scrub;
pub mod stitch;
pub mod tls;
