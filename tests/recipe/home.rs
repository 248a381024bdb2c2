//! Who lives in the home's network. Hardware addresses bear their vendor's prefix and an invented rest.

use super::diary;
use super::packet::Mac;
use super::world::{Host, Numbering};
use std::net::Ipv4Addr;

pub const WEMO: usize = 0;
pub const ECHO: usize = 1;
pub const NEST: usize = 2;
pub const HUE: usize = 3;
pub const PLUG: usize = 4;
pub const SENSE: usize = 5;
pub const SMARTTHINGS: usize = 6;
pub const ORVIBO: usize = 7;
pub const DLINK: usize = 8;
pub const WINK: usize = 9;
pub const STRANGER: usize = 10;
pub const PHONE: usize = 11;
pub const LAPTOP: usize = 12;

fn host(name: &'static str, mac: Mac, last: u8) -> Host {
    Host {
        name,
        mac,
        ip: Ipv4Addr::new(192, 168, 1, last),
        ip6: None,
        ttl: 64,
        numbering: Numbering::Counter,
        clock_hz: None,
        window: 29_200,
        asks_outside: false,
        host_name: "",
        vendor_class: "",
    }
}

/// Everybody, in the order of the constants above.
pub fn hosts() -> Vec<Host> {
    use Numbering::Conversation;
    vec![
        Host {
            clock_hz: Some(100),
            window: 14_480,
            host_name: "wemo",
            vendor_class: "udhcp 1.18.5",
            ..host(diary::WEMO, [0xec, 0x1a, 0x59, 0x0a, 0x00, 0x21], 21)
        },
        Host {
            numbering: Conversation,
            clock_hz: Some(1000),
            window: 65_535,
            host_name: "amazon-0a21c4e7d",
            vendor_class: "dhcpcd-5.5.6",
            ..host(diary::ECHO, [0x74, 0xc2, 0x46, 0x0a, 0x00, 0x22], 22)
        },
        Host {
            numbering: Conversation,
            clock_hz: Some(250),
            asks_outside: true,
            host_name: "Nest-Cam",
            vendor_class: "dhcpcd-6.11.5",
            ..host(diary::NEST, [0x18, 0xb4, 0x30, 0x0a, 0x00, 0x23], 23)
        },
        Host {
            numbering: Conversation,
            clock_hz: Some(100),
            ip6: Some("2001:db8:9:1:217:88ff:fe0a:24".parse().unwrap()),
            host_name: "Philips-hue",
            vendor_class: "udhcp 1.22.1",
            ..host(diary::HUE, [0x00, 0x17, 0x88, 0x0a, 0x00, 0x24], 24)
        },
        Host {
            window: 5_840,
            host_name: "HS100",
            ..host(diary::PLUG, [0x50, 0xc7, 0xbf, 0x0a, 0x00, 0x25], 25)
        },
        Host {
            ttl: 128,
            window: 8_192,
            ..host(diary::SENSE, [0x5c, 0x31, 0x3e, 0x0a, 0x00, 0x26], 26)
        },
        Host {
            clock_hz: Some(250),
            host_name: "hub",
            vendor_class: "udhcp 1.23.2",
            ..host(diary::SMARTTHINGS, [0xd0, 0x52, 0xa8, 0x0a, 0x00, 0x27], 27)
        },
        Host {
            ttl: 255,
            window: 2_920,
            host_name: "HF-LPB100",
            ..host(diary::ORVIBO, [0xac, 0xcf, 0x23, 0x0a, 0x00, 0x28], 28)
        },
        Host {
            clock_hz: Some(100),
            window: 5_792,
            host_name: "DCS-5009L",
            vendor_class: "udhcp 1.12.1",
            ..host(diary::DLINK, [0xb0, 0xc5, 0x54, 0x0a, 0x00, 0x29], 29)
        },
        Host {
            clock_hz: Some(100),
            host_name: "flex-dvt",
            ..host(diary::WINK, [0xb4, 0x79, 0xa7, 0x0a, 0x00, 0x30], 30)
        },
        Host {
            ttl: 255,
            window: 5_744,
            ..host(
                "a device nobody knows",
                [0x00, 0x00, 0x5e, 0x00, 0x53, 0x31],
                31,
            )
        },
        Host {
            numbering: Conversation,
            clock_hz: Some(1000),
            window: 65_535,
            vendor_class: "android-dhcp-14",
            ..host("a phone", [0x3e, 0x51, 0x0c, 0x0a, 0x00, 0x40], 40)
        },
        Host {
            numbering: Conversation,
            ttl: 128,
            window: 64_240,
            host_name: "LAPTOP-7Q2M",
            vendor_class: "MSFT 5.0",
            ..host("a laptop", [0x7a, 0x20, 0x5e, 0x0a, 0x00, 0x41], 41)
        },
    ]
}
