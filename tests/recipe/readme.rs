//! The page that tells of the files: words from `readme.md`, tables from the recipe itself.

use super::formats::Format;
use super::home::{hosts, DLINK, HUE, ORVIBO, PHONE, PLUG, SMARTTHINGS, STRANGER};
use super::malformed::Case;
use super::world::Numbering;
use super::{diary, Evening};

/// fixtures/README.md.
pub fn page(evening: &Evening, formats: &[Format], cases: &[Case]) -> String {
    let formats = formats
        .iter()
        .map(|format| format!("| `{}` | {} |", format.name, format.what));
    let cases = cases.iter().map(|case| {
        let packets = case.packets.map_or("none".into(), |n| n.to_string());
        format!("| `{}` | {} | {packets} |", case.name, case.wrong)
    });
    include_str!("readme.md")
        .replace("LAN_PACKETS", &evening.lan.len().to_string())
        .replace("WAN_PACKETS", &evening.wan.len().to_string())
        .replace("LABELS", &diary::events().len().to_string())
        .replace("DEVICES", &devices())
        .replace("FORMATS", &lines(formats))
        .replace("MALFORMED", &lines(cases))
}

fn lines(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().join("\n")
}

fn devices() -> String {
    let rows = hosts().into_iter().enumerate().map(|(index, host)| {
        let [a, b, c, d, e, f] = host.mac;
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let activities = match index {
            STRANGER.. => "-".to_owned(),
            _ => diary::events_of(host.name).len().to_string(),
        };
        let numbers = match host.numbering {
            Numbering::Counter => "one packet counter",
            Numbering::Conversation => "a counter for each conversation",
        };
        let more = match index {
            HUE => "; IPv6 to its server",
            PLUG => {
                "; its connection is older than the capture, and the phone switches it over the LAN"
            }
            SMARTTHINGS => "; its connection is older than the capture and made anew at 21:31",
            ORVIBO => "; UDP only",
            DLINK => "; its connection is older than the capture",
            STRANGER => "; three servers nobody has listed",
            PHONE => "; pages over TCP and QUIC",
            _ => "",
        };
        let (name, ip, ttl) = (host.name, host.ip, host.ttl);
        format!("| {name} | {ip}, {mac} | {activities} | TTL {ttl}, {numbers}{more} |")
    });
    lines(rows)
}
