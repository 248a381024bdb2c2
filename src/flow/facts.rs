//! What is known of one flow when the capture has been read: the plain input of everything that asks whose flow it is.

use crate::flow::counter::CounterSlot;
use crate::flow::shape::Shape;
use crate::packet::dissect::Protocol;
use crate::units::{Span, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// A DNS answer that gave a flow's server address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for, in lower case without the last dot; canonical names on the way are answers of their own.
    pub name: Arc<str>,
    /// When it was answered.
    pub at: Timestamp,
    /// The flow it was answered in, as an index among the facts; `None` where that flow is not among them.
    pub asker: Option<usize>,
}

/// One flow between the home and a server.
#[derive(Clone, Debug)]
pub struct FlowFacts {
    /// Transport.
    pub protocol: Protocol,
    /// The device behind it, where the capture shows hardware addresses: any number, one a device. All 0 at the WAN.
    pub owner: u32,
    /// The home's port; 0 where there is none.
    pub local_port: u16,
    /// The server.
    pub remote: IpAddr,
    /// Its port; 0 where there is none.
    pub remote_port: u16,
    /// First to last packet.
    pub span: Span,
    /// IP bytes both ways.
    pub bytes: u64,
    /// Its looks.
    pub shape: Shape,
    /// Its place among the IP identification counters.
    pub counter: CounterSlot,
    /// Names asked for within the flow, where it speaks DNS (questions only).
    pub asked: Vec<Arc<str>>,
    /// Names the flow itself called its server: TLS, QUIC, HTTP.
    pub called: Vec<Arc<str>>,
    /// Look-ups of this server's address, in order of time.
    pub answers: Vec<Answer>,
}
