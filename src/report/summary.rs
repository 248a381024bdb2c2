//! What the table and the Markdown page say in words: the headline, the remarks, the closing line.
//!
//! Plain sentences without markup; every text in them is safe to print on one line.

use super::human::{self, count, counted, line};
use crate::inference::{Device, Flow, Inference, Input, Parameters};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a list in words; the rest is counted.
const LISTED: usize = 6;
/// Ports of DNS, DHCP, time, and discovery on the local network (IANA's registry of service names and ports).
const EVERYBODYS: [u16; 9] = [53, 67, 68, 123, 546, 547, 1900, 5353, 5355];
/// Addresses of a home in the headline.
const ADDRESSES: usize = 3;

/// What was read, how long, how much, and from where: the parts of the first line.
pub fn headline(inference: &Inference) -> Vec<String> {
    let mut parts = vec![inputs(&inference.inputs)];
    if let Some(window) = inference.window {
        parts.push(human::duration(window.last.since(window.first)));
    }
    parts.push(counted(inference.census.read, "packet"));
    parts.extend(place(inference));
    parts
}

fn inputs(inputs: &[Input]) -> String {
    let Some(first) = inputs.first() else {
        return "no input".to_owned();
    };
    let name = match first.path.as_str() {
        "-" => "standard input".to_owned(),
        path => line(path),
    };
    match inputs.len() {
        1 => name,
        many => format!("{name} and {} more", many - 1),
    }
}

/// `1 home behind 203.0.113.9`, `seen from the WAN`.
fn place(inference: &Inference) -> Vec<String> {
    let devices = counted(inference.devices.len() as u64, "device");
    if inference.vantage != "wan" {
        return vec![format!("{devices} seen from the LAN")];
    }
    let addresses: Vec<String> = inference.home.iter().map(|address| line(address)).collect();
    let home = match addresses.is_empty() {
        true => "1 home of unknown address".to_owned(),
        false => format!(
            "1 home behind {}",
            human::listed(&addresses, ADDRESSES, ", ")
        ),
    };
    vec![home, "seen from the WAN".to_owned()]
}

/// What speaks for a device, in brief: `dns  api.xbcs.net`, or why nothing does.
///
/// `servers` is how many servers an unknown device talks to.
pub fn evidence(device: &Device, servers: usize) -> String {
    let strongest = device.evidence.first();
    match (strongest, device.candidates.is_empty()) {
        (Some(evidence), false) => format!("{:<4} {}", line(&evidence.kind), line(&evidence.value)),
        (None, false) => human::MISSING.to_owned(),
        (_, true) if servers == 0 => "none".to_owned(),
        (_, true) => format!("none ({})", strangers(servers)),
    }
}

/// `3 servers no fingerprint knows`; nothing where there are none.
pub fn strangers(servers: usize) -> String {
    match servers {
        0 => String::new(),
        _ => format!("{} no fingerprint knows", counted(servers as u64, "server")),
    }
}

/// How many distinct servers each device talks to: by name, or by address where there is none.
///
/// What every home has (resolver, time server, DHCP, discovery) is no sign of anything, and not counted.
pub fn servers(flows: &[Flow]) -> BTreeMap<&str, usize> {
    let mut servers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for flow in flows
        .iter()
        .filter(|flow| !EVERYBODYS.contains(&flow.remote_port))
    {
        if let Some(device) = &flow.device {
            let server = flow.domain.as_ref().unwrap_or(&flow.remote);
            servers.entry(device).or_default().insert(server);
        }
    }
    servers
        .into_iter()
        .map(|(device, servers)| (device, servers.len()))
        .collect()
}

/// What a reader must know to trust the numbers: truncations, skipped frames, full tables, caveats; each once.
pub fn remarks(inference: &Inference) -> Vec<Remark> {
    let census = &inference.census;
    let mut remarks = Vec::new();
    for input in inference.inputs.iter().filter(|input| input.truncated) {
        let how = input.truncation.as_deref().unwrap_or("its end is missing");
        remarks.push(Remark::doubt(format!(
            "{}: {}",
            line(&input.path),
            line(how)
        )));
    }
    remarks.extend(total("skipped", "frame", &census.skipped).map(Remark::note));
    remarks.extend(total("damage within", "packet", &census.damaged).map(Remark::note));
    if census.filtered_out > 0 {
        let text = format!(
            "left out by the filter: {}",
            counted(census.filtered_out, "packet")
        );
        remarks.push(Remark::note(text));
    }
    // No sum here: flows, names and bytes do not add up.
    let evicted = by_weight(&census.evicted);
    if !evicted.is_empty() {
        let evicted = human::listed(&evicted, LISTED, ", ");
        remarks.push(Remark::doubt(format!(
            "beyond what the tables hold: {evicted}"
        )));
    }
    for caveat in &inference.caveats {
        let caveat = Remark::doubt(line(caveat));
        if !remarks.contains(&caveat) {
            remarks.push(caveat);
        }
    }
    remarks
}

/// `skipped 22 frames: 20 arp, 2 llc`; nothing where there are none.
fn total(what: &str, noun: &str, by_reason: &BTreeMap<String, u64>) -> Option<String> {
    let total = by_reason
        .values()
        .fold(0u64, |sum, number| sum.saturating_add(*number));
    let rows = human::listed(&by_weight(by_reason), LISTED, ", ");
    (total > 0).then(|| format!("{what} {}: {rows}", counted(total, noun)))
}

/// `20 arp`, `2 llc`: the most frequent first, those that never occurred left out.
fn by_weight(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let mut rows: Vec<(&String, &u64)> = counts.iter().filter(|(_, number)| **number > 0).collect();
    rows.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    rows.into_iter()
        .map(|(reason, number)| format!("{} {}", count(*number), line(reason)))
        .collect()
}

/// A sentence beside the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The sentence.
    pub text: String,
    /// Whether it is a reason to doubt the numbers.
    pub doubt: bool,
}

impl Remark {
    fn note(text: String) -> Self {
        Self { text, doubt: false }
    }

    fn doubt(text: String) -> Self {
        Self { text, doubt: true }
    }
}

/// The parameters in one line: the three everybody asks for, then those that differ from the plain reading of the paper.
pub fn parameters(parameters: &Parameters) -> String {
    let mut parts = vec![
        format!("bin {}", human::seconds(parameters.bin_s)),
        format!("sigma {}", human::sigma(parameters.sigma)),
    ];
    // Bit by bit the same, as one is a copy of the other unless the user told it.
    if parameters.weak_sigma.to_bits() != parameters.sigma.to_bits() {
        parts.push(format!(
            "weak sigma {}",
            human::sigma(parameters.weak_sigma)
        ));
    }
    parts.push(format!("merge {}", human::seconds(parameters.merge_s)));
    if parameters.baseline != "mean" {
        parts.push(format!("{} baseline", line(&parameters.baseline)));
    }
    if !parameters.count_silent {
        parts.push("silent bins left out".to_owned());
    }
    if parameters.ignore_periodic {
        parts.push("periodic traffic taken off".to_owned());
    }
    if let Some(window) = parameters.window_s {
        parts.push(format!("windows of {}", human::seconds(window)));
    }
    if parameters.direction != "both" {
        parts.push(format!("{} only", line(&parameters.direction)));
    }
    if parameters.shapes.len() < 3 {
        parts.push(format!("{} only", line(&parameters.shapes.join(" and "))));
    }
    if let Some(filter) = &parameters.filter {
        parts.push(format!("filter '{}'", line(filter)));
    }
    parts.join(", ")
}

/// The last line under activities.
pub fn closing(inference: &Inference) -> String {
    let parameters = parameters(&inference.parameters);
    match inference.truth {
        Some(_) => {
            let tolerance = human::seconds(inference.parameters.tolerance_s);
            format!("{parameters}, tolerance {tolerance}.")
        }
        None => format!("{parameters}. These are inferences: add --labels to score them."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_headline_says_what_where_and_how_much() {
        assert_eq!(
            headline(&sample::evening()).join("  "),
            "evening.pcapng  2h04m  418,122 packets  1 home behind 203.0.113.9  seen from the WAN"
        );
        assert_eq!(
            headline(&sample::scored()).join("  "),
            "evening.pcapng and 1 more  2h04m  418,122 packets  3 devices seen from the LAN"
        );
        assert_eq!(
            headline(&sample::empty()).join("  "),
            "no input  0 packets  1 home of unknown address  seen from the WAN"
        );
    }

    #[test]
    fn reasons_are_listed_by_weight() {
        let home = sample::evening();
        assert_eq!(
            remarks(&home),
            [Remark::note(
                "skipped 22 frames: 20 arp, 2 ether type 0x88cc".into()
            )]
        );
    }

    #[test]
    fn servers_are_counted_once_and_without_what_every_home_has() {
        let mut home = sample::evening();
        assert_eq!(servers(&home.flows).get("unknown-1"), Some(&2));
        let twice = home.flows[3].clone();
        let mut resolver = twice.clone();
        resolver.remote = "192.0.2.53".into();
        resolver.remote_port = 53;
        home.flows.extend([twice, resolver]);
        assert_eq!(servers(&home.flows).get("unknown-1"), Some(&2));
    }

    #[test]
    fn a_caveat_that_repeats_a_remark_is_said_once() {
        let mut home = sample::scored();
        home.caveats
            .push("rest.pcap: ends within record 8, at byte 1,234".into());
        let texts: Vec<String> = remarks(&home)
            .into_iter()
            .map(|remark| remark.text)
            .collect();
        assert_eq!(
            texts,
            [
                "rest.pcap: ends within record 8, at byte 1,234",
                "skipped 22 frames: 20 arp, 2 ether type 0x88cc",
                "damage within 3 packets: 3 dns: cut",
                "beyond what the tables hold: 1,000,000 flows",
                "the clock ran backwards 2 times",
            ]
        );
    }

    #[test]
    fn only_what_departs_from_the_paper_is_named() {
        let mut home = sample::evening();
        assert_eq!(
            parameters(&home.parameters),
            "bin 1 s, sigma 3.0, merge 30 s"
        );
        home.parameters.ignore_periodic = true;
        home.parameters.weak_sigma = 1.0;
        home.parameters.shapes.truncate(1);
        home.parameters.filter = Some("not port 22\n".into());
        assert_eq!(
            parameters(&home.parameters),
            "bin 1 s, sigma 3.0, weak sigma 1.0, merge 30 s, periodic traffic taken off, spike only, filter 'not port 22\\u{a}'"
        );
    }
}
