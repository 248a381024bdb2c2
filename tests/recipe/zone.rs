//! The names of the evening and where they lead. The names are those the devices truly ask (the paper's Table 2 and the
//! public studies named in fingerprints/); every address is invented, from the ranges for documentation and benchmarks
//! (RFC 5737, RFC 3849, RFC 2544).

use super::dns::{self, Data, Record};
use std::net::IpAddr;

/// A name's answers.
pub struct Entry {
    pub name: &'static str,
    /// Aliases on the way to the addresses, in order.
    pub chain: &'static [&'static str],
    pub v4: &'static [&'static str],
    pub v6: &'static [&'static str],
    /// Whether it has an HTTPS record (QUIC).
    pub https: bool,
    pub ttl: u32,
}

const fn plain(name: &'static str, v4: &'static [&'static str], ttl: u32) -> Entry {
    aliased(name, &[], v4, ttl)
}

const fn aliased(
    name: &'static str,
    chain: &'static [&'static str],
    v4: &'static [&'static str],
    ttl: u32,
) -> Entry {
    Entry {
        name,
        chain,
        v4,
        v6: &[],
        https: false,
        ttl,
    }
}

const fn web(name: &'static str, v4: &'static [&'static str], https: bool) -> Entry {
    Entry {
        name,
        chain: &[],
        v4,
        v6: &[],
        https,
        ttl: 300,
    }
}

/// Every name asked.
pub static ZONE: &[Entry] = &[
    aliased(
        "api.xbcs.net",
        &["prod1-api-xbcs-net-889336557.us-east-1.elb.amazonaws.com"],
        &["198.51.100.21", "198.51.100.22"],
        60,
    ),
    aliased(
        "fs.xbcs.net",
        &["prod1-fs-xbcs-net-1101221371.us-east-1.elb.amazonaws.com"],
        &["198.51.100.24"],
        60,
    ),
    aliased(
        "dcape-na.amazon.com",
        &["d1l8vnq3x0echo.cloudfront.net"],
        &["198.18.4.30"],
        60,
    ),
    plain("device-metrics-us.amazon.com", &["198.18.4.41"], 120),
    plain("ntp-g7g.amazon.com", &["198.18.4.50"], 300),
    plain(
        "nexus.dropcam.com",
        &["198.51.100.61", "198.51.100.62"],
        300,
    ),
    Entry {
        name: "ws.meethue.com",
        chain: &["hue-ws.lb.meethue.com"],
        v4: &["198.51.100.80"],
        v6: &["2001:db8:80::50"],
        https: false,
        ttl: 300,
    },
    plain("diagnostics.meethue.com", &["198.51.100.81"], 300),
    plain("time.meethue.com", &["198.51.100.82"], 600),
    aliased(
        "devs.tplinkcloud.com",
        &["devs-lb-1542.us-east-1.elb.amazonaws.com"],
        &["198.51.100.90", "198.51.100.91"],
        60,
    ),
    plain("sense-in.hello.is", &["198.51.100.110"], 300),
    plain("messeji.hello.is", &["198.51.100.111"], 300),
    plain("time.hello.is", &["198.51.100.112"], 300),
    plain("dc.connect.smartthings.com", &["198.51.100.130"], 60),
    aliased(
        "fw-update2.smartthings.com",
        &["d2k7smartfw0aa.cloudfront.net"],
        &["198.18.4.30"],
        60,
    ),
    plain("wiwo.orvibo.com", &["192.0.2.140"], 600),
    plain("signal.auto.mydlink.com", &["192.0.2.150"], 300),
    plain("mp-us-relay.auto.mydlink.com", &["192.0.2.151"], 300),
    plain("agent-v1-production.wink.com", &["192.0.2.160"], 60),
    plain("mq.larkfield.example", &["198.18.7.10"], 600),
    plain("in.larkfield.example", &["198.18.7.11"], 600),
    plain("ota.larkfield.example", &["198.18.7.12"], 600),
    plain("0.pool.ntp.org", &["192.0.2.200", "192.0.2.201"], 150),
    plain("time.android.com", &["192.0.2.210"], 3600),
    plain("connectivitycheck.gstatic.com", &["198.18.9.3"], 300),
    plain("www.msftconnecttest.com", &["198.18.9.5"], 300),
    web("www.tidewater-news.example", &["198.18.20.10"], true),
    web("img.tidewater-news.example", &["198.18.20.11"], false),
    web("recipes.appleyard.example", &["198.18.21.4"], false),
    web("www.harbour-cinema.example", &["198.18.22.8"], true),
    web("mail.postbox.example", &["198.18.23.9"], false),
    web("sync.postbox.example", &["198.18.23.10"], false),
];

/// A name's entry.
pub fn find(name: &str) -> &'static Entry {
    let entry = ZONE.iter().find(|entry| entry.name == name);
    entry.unwrap_or_else(|| panic!("{name} is not in the zone"))
}

impl Entry {
    /// The records that answer a question of this type; none where there are no such addresses.
    pub fn answers(&self, kind: u16) -> Vec<Record> {
        let names: Vec<&str> = std::iter::once(self.name)
            .chain(self.chain.iter().copied())
            .collect();
        let mut records: Vec<Record> = names
            .windows(2)
            .map(|pair| self.record(pair[0], Data::Cname(pair[1].to_owned())))
            .collect();
        let last = names[names.len() - 1];
        let parse = |text: &&str| text.parse::<IpAddr>().unwrap();
        match kind {
            dns::A => records.extend(
                self.v4
                    .iter()
                    .map(|a| self.record(last, Data::Address(parse(a)))),
            ),
            dns::AAAA => records.extend(
                self.v6
                    .iter()
                    .map(|a| self.record(last, Data::Address(parse(a)))),
            ),
            dns::HTTPS if self.https => {
                let hints = self.v4.iter().map(parse).collect();
                records.push(self.record(last, Data::Https(hints)));
            }
            _ => {}
        }
        records
    }

    fn record(&self, owner: &str, data: Data) -> Record {
        Record {
            owner: owner.to_owned(),
            ttl: self.ttl,
            data,
        }
    }
}
