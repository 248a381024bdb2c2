//! What is known of one flow when the capture has been read: the plain input of everything that asks whose flow it is.

use crate::flow::counter::CounterSlot;
use crate::flow::shape::Shape;
use crate::packet::dissect::Protocol;
use crate::units::{Span, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// A name whose DNS answer held a flow's server address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// The name that was asked for, or an alias on the way to the address; in lower case without the last dot.
    pub name: Arc<str>,
    /// The first such answer of the capture.
    pub first: Timestamp,
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
    /// Names whose answers held this server's address, at any time of the capture.
    pub looked_up: Vec<LookedUp>,
    /// The DNS flow that was told this address within the two seconds before this flow began, as an index among the facts;
    /// `None` where there is none, or more than one.
    pub asker: Option<usize>,
}
