//! What is known of one flow when the capture has been read: the plain input of everything that asks whose flow it is.

use crate::flow::counter::CounterSlot;
use crate::flow::home::{Home, Side};
use crate::flow::key::FlowKey;
use crate::flow::names::{Answer, NameBook, NameKind};
use crate::flow::shape::Shape;
use crate::flow::table::Flow;
use crate::packet::dissect::Protocol;
use crate::units::{Mac, Span, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A connection this soon after its server's address was looked up is the asker's.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A name whose DNS answer held a flow's server address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// The name that was asked for, or an alias on the way to the address.
    pub name: Arc<str>,
    /// The first such answer of the capture.
    pub first: Timestamp,
}

/// One flow between the home and a server.
#[derive(Clone, Debug)]
pub struct FlowFacts {
    /// Where the flow stands in the list the facts were drawn from.
    pub flow: usize,
    /// Transport.
    pub protocol: Protocol,
    /// The device's hardware address, where the capture shows it; at the WAN the router's, the same for all.
    pub mac: Option<Mac>,
    /// The server.
    pub remote: IpAddr,
    /// Its port; 0 where there is none.
    pub remote_port: u16,
    /// First to last packet.
    pub span: Span,
    /// Packets from the home.
    pub sent: u64,
    /// IP bytes both ways.
    pub bytes: u64,
    /// Its looks.
    pub shape: Shape,
    /// Its place among the IP identification counters.
    pub counter: CounterSlot,
    /// Names asked for within the flow, where it speaks DNS (questions only).
    pub asked: Vec<Arc<str>>,
    /// Names the flow itself called its server: TLS, QUIC, HTTP.
    pub called: Vec<(NameKind, Arc<str>)>,
    /// Names whose answers held this server's address, at any time of the capture, whoever asked.
    pub looked_up: Vec<LookedUp>,
    /// The DNS flow that was told this address within the two seconds before this flow began, as an index among the facts;
    /// `None` where there is none, or more than one.
    pub asker: Option<usize>,
}

/// The facts of all flows between the home and somebody outside, in the order of `flows`. Flows within the home, and those
/// that pass it by, are left out.
pub fn facts(flows: &[(FlowKey, Flow)], home: &Home, names: &NameBook) -> Vec<FlowFacts> {
    let mut all: Vec<FlowFacts> = Vec::new();
    // DNS flows by the names asked in them, as indices among the facts.
    let mut askers: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
    for (at, (key, flow)) in flows.iter().enumerate() {
        let Side::One(near) = home.side(key, flow) else {
            continue;
        };
        let far = key.end(near.other());
        // Traits are gathered for the end taken for the home's when the flow began; of the other end they say nothing.
        let traits = flow
            .traits
            .as_deref()
            .filter(|_| flow.local == near)
            .cloned()
            .unwrap_or_default();
        let of = |kinds: &[NameKind]| {
            let heard = flow
                .names
                .iter()
                .filter(|heard| kinds.contains(&heard.kind));
            heard
                .map(|heard| (heard.kind, heard.name.clone()))
                .collect::<Vec<_>>()
        };
        let asked: Vec<Arc<str>> = of(&[NameKind::Dns])
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        for name in &asked {
            askers.entry(name.clone()).or_default().push(all.len());
        }
        all.push(FlowFacts {
            flow: at,
            protocol: key.protocol(),
            mac: flow.macs[near.index()],
            remote: far.address,
            remote_port: far.port,
            span: flow.span,
            sent: flow.sent[near.index()].packets,
            bytes: flow.bytes(),
            shape: traits.shape,
            counter: traits.counter,
            asked,
            called: of(&[NameKind::Sni, NameKind::Quic, NameKind::HttpHost]),
            looked_up: looked_up(&flow.looked_up, names.of_address(far.address)),
            asker: None,
        });
    }
    for at in 0..all.len() {
        let told = all
            .get(at)
            .and_then(|fact| flows.get(fact.flow))
            .map_or(&[][..], |(_, flow)| &flow.looked_up);
        let asker = asker(at, told, &askers, &all);
        if let Some(fact) = all.get_mut(at) {
            fact.asker = asker;
        }
    }
    all
}

/// Names of an address, each once, from the answers before a flow and those of the whole capture.
fn looked_up(before: &[Answer], ever: &[Answer]) -> Vec<LookedUp> {
    let mut all: Vec<LookedUp> = Vec::new();
    for answer in before.iter().chain(ever) {
        match all.iter_mut().find(|known| known.name == answer.name) {
            Some(known) => known.first = known.first.min(answer.first),
            None => all.push(LookedUp {
                name: answer.name.clone(),
                first: answer.first,
            }),
        }
    }
    all
}

/// The one DNS flow whose answer, just before, told the address of the flow at `at`.
fn asker(
    at: usize,
    told: &[Answer],
    askers: &HashMap<Arc<str>, Vec<usize>>,
    all: &[FlowFacts],
) -> Option<usize> {
    let begin = all.get(at)?.span.start;
    let mut found = None;
    for answer in told
        .iter()
        .filter(|answer| answer.last <= begin && begin.since(answer.last) <= AT_ONCE)
    {
        for &asking in askers.get(&answer.name).into_iter().flatten() {
            let flow = all.get(asking)?;
            if asking != at && flow.span.contains(answer.last) {
                match found {
                    Some(other) if other != asking => return None,
                    _ => found = Some(asking),
                }
            }
        }
    }
    found
}
