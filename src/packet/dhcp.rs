//! What a device says of itself when it asks for an address: DHCP (RFC 2131, options in RFC 2132) and DHCPv6 (RFC 8415).

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::packet::name;
use crate::units::Mac;

/// Options looked at in one message. Real ones hold under forty.
const MOST_OPTIONS: usize = 128;

/// Longest text taken from an option, in bytes; the length field of DHCP allows no more.
const LONGEST_TEXT: usize = 255;

/// What one DHCP or DHCPv6 message tells. Texts are escaped and keep their case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Sent by the client, not by the server or a relay.
    pub from_client: bool,
    /// DHCP message type (option 53: 1 discover, 3 request, 5 ack, ...), DHCPv6 message type, 0 for plain BOOTP.
    pub kind: u8,
    /// The client's hardware address.
    pub mac: Option<Mac>,
    /// Host name (option 12), else the client's domain name (option 81, RFC 4702; DHCPv6 option 39, RFC 4704).
    pub host_name: Option<Box<str>>,
    /// Vendor class (option 60; DHCPv6 option 16).
    pub vendor_class: Option<Box<str>>,
    /// Address the client asks for (option 50), or says it has (`ciaddr`).
    pub requested: Option<Ipv4Addr>,
    /// Address the server assigns (`yiaddr`).
    pub assigned: Option<Ipv4Addr>,
}

/// Reads a BOOTP or DHCP message, UDP ports 67 and 68; `None` where it is none. Options cut off are left out.
pub fn parse(payload: &[u8]) -> Option<Lease> {
    let fixed: &[u8; 236] = payload.first_chunk()?;
    let [op @ (1 | 2), hardware, hardware_length, ..] = *fixed else {
        return None;
    };
    let mut lease = Lease {
        from_client: op == 1,
        // Ethernet (RFC 1700); others have no MAC address here.
        mac: (hardware == 1 && hardware_length == 6)
            .then(|| fixed.get(28..34)?.try_into().ok().map(Mac))
            .flatten(),
        requested: address(fixed.get(12..16)?),
        assigned: address(fixed.get(16..20)?),
        ..Lease::default()
    };
    let Some(options) = payload.get(236..)?.strip_prefix(&[99, 130, 83, 99]) else {
        // BOOTP of before RFC 1048: no options, but an address and a MAC.
        return lease.mac.is_some().then_some(lease);
    };
    let mut overload = 0;
    let mut domain_name = None;
    read_options(options, &mut lease, &mut overload, &mut domain_name);
    // Option 52 puts more options into the fields of the boot file and of the server's name.
    if overload & 1 != 0 {
        let file = fixed.get(108..236)?;
        read_options(file, &mut lease, &mut 0, &mut domain_name);
    }
    if overload & 2 != 0 {
        let server = fixed.get(44..108)?;
        read_options(server, &mut lease, &mut 0, &mut domain_name);
    }
    lease.host_name = lease.host_name.or(domain_name);
    Some(lease)
}

fn read_options(
    mut options: &[u8],
    lease: &mut Lease,
    overload: &mut u8,
    domain_name: &mut Option<Box<str>>,
) {
    for _ in 0..MOST_OPTIONS {
        // Padding may fill hundreds of bytes; it is no option.
        while let [0, rest @ ..] = options {
            options = rest;
        }
        let [code @ 1..=254, length, rest @ ..] = options else {
            return;
        };
        let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else {
            return;
        };
        options = rest;
        match code {
            12 => lease.host_name = text(value),
            50 => lease.requested = address(value).or(lease.requested),
            52 => *overload = value.first().copied().unwrap_or(0),
            53 => lease.kind = value.first().copied().unwrap_or(0),
            60 => lease.vendor_class = text(value),
            81 => *domain_name = fully_qualified(value),
            _ => {}
        }
    }
}

/// Client FQDN (RFC 4702, section 2): flags, two bytes of no use, the name as ASCII or, with flag E, as DNS has it.
fn fully_qualified(value: &[u8]) -> Option<Box<str>> {
    let [flags, _, _, domain @ ..] = value else {
        return None;
    };
    if flags & 4 == 0 {
        return text(domain);
    }
    labels(domain)
}

/// A name in DNS's form, uncompressed; it may lack its end (RFC 4702, section 2.3.1).
fn labels(mut wire: &[u8]) -> Option<Box<str>> {
    let mut dotted = Vec::new();
    while let [length @ 1..=63, rest @ ..] = wire {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        if !dotted.is_empty() {
            dotted.push(b'.');
        }
        dotted.extend_from_slice(label);
        wire = rest;
        if dotted.len() > LONGEST_TEXT {
            return None;
        }
    }
    text(&dotted)
}

fn text(value: &[u8]) -> Option<Box<str>> {
    // Some clients count a terminating zero in.
    let end = value
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let value = value.get(..end.min(LONGEST_TEXT))?;
    if value.is_empty() {
        return None;
    }
    Some(match name::escape(value) {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => text.into_boxed_str(),
    })
}

/// Four bytes as an address, unless it is 0.0.0.0.
fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    let address = Ipv4Addr::from(bytes);
    (!address.is_unspecified()).then_some(address)
}

/// Reads a DHCPv6 message, UDP ports 546 and 547; `None` where it is none. What relays wrap is not unwrapped.
pub fn parse_v6(payload: &[u8]) -> Option<Lease> {
    let [kind @ 1..=11, _, _, _, options @ ..] = payload else {
        return None;
    };
    let mut lease = Lease {
        // Advertise, reply and reconfigure come from servers.
        from_client: !matches!(kind, 2 | 7 | 10),
        kind: *kind,
        ..Lease::default()
    };
    let mut options = options;
    for _ in 0..MOST_OPTIONS {
        let [code_high, code_low, high, low, rest @ ..] = options else {
            break;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            break;
        };
        options = rest;
        match u16::from_be_bytes([*code_high, *code_low]) {
            // Client identifier: a link-layer address behind a time, or alone (RFC 8415, sections 11.2 and 11.4).
            1 => match value {
                [0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..] => {
                    lease.mac = mac.try_into().ok().map(Mac);
                }
                _ => {}
            },
            // Vendor class: enterprise number, then strings behind their lengths. The first says it.
            16 => {
                lease.vendor_class = value.get(4..).and_then(|strings| {
                    let (length, rest) = strings.split_first_chunk()?;
                    text(rest.get(..usize::from(u16::from_be_bytes(*length)))?)
                });
            }
            39 => lease.host_name = value.get(1..).and_then(labels),
            _ => {}
        }
    }
    Some(lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: [u8; 6] = [0x18, 0xb4, 0x30, 1, 2, 3];

    /// A DHCP message of `op` with these options.
    fn message(op: u8, options: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 236];
        message[..3].copy_from_slice(&[op, 1, 6]);
        message[28..34].copy_from_slice(&MAC);
        message.extend([99, 130, 83, 99]);
        message.extend(options);
        message
    }

    #[test]
    fn a_request_tells_the_device_s_name_class_and_address() {
        let options = b"\x35\x01\x03\x32\x04\xc0\xa8\x01\x05\x0c\x08Nest-Cam\x3c\x0cudhcp 1.20.2\xff\x0c\x01x";
        let lease = parse(&message(1, options)).unwrap();
        assert_eq!(
            lease,
            Lease {
                from_client: true,
                kind: 3,
                mac: Some(Mac(MAC)),
                host_name: Some("Nest-Cam".into()),
                vendor_class: Some("udhcp 1.20.2".into()),
                requested: Some(Ipv4Addr::new(192, 168, 1, 5)),
                assigned: None,
            }
        );
    }

    #[test]
    fn an_acknowledgement_assigns() {
        let mut answer = message(2, b"\x35\x01\x05\xff");
        answer[16..20].copy_from_slice(&[192, 168, 1, 5]);
        let lease = parse(&answer).unwrap();
        assert!(!lease.from_client);
        assert_eq!(lease.assigned, Some(Ipv4Addr::new(192, 168, 1, 5)));
        assert_eq!(lease.requested, None);
    }

    #[test]
    fn options_may_overflow_into_the_fixed_fields() {
        let mut request = message(1, b"\x34\x01\x03\xff");
        request[108..116].copy_from_slice(b"\x0c\x05light\xff");
        request[44..51].copy_from_slice(b"\x3c\x04Hue\0\xff");
        let lease = parse(&request).unwrap();
        assert_eq!(lease.host_name.unwrap(), "light".into());
        assert_eq!(lease.vendor_class.unwrap(), "Hue".into());
    }

    #[test]
    fn the_domain_name_serves_where_there_is_no_host_name() {
        let plain = message(1, b"\x51\x08\x00\x00\x00a.lan\xff");
        assert_eq!(parse(&plain).unwrap().host_name.unwrap(), "a.lan".into());
        let encoded = message(1, b"\x51\x0a\x04\x00\x00\x01a\x03lan\0\xff");
        assert_eq!(parse(&encoded).unwrap().host_name.unwrap(), "a.lan".into());
        let both = message(1, b"\x0c\x01h\x51\x04\x00\x00\x00d\xff");
        assert_eq!(parse(&both).unwrap().host_name.unwrap(), "h".into());
    }

    #[test]
    fn hostile_names_are_escaped() {
        let lease = parse(&message(1, b"\x0c\x05a\x1b[2J\xff")).unwrap();
        assert_eq!(lease.host_name.unwrap(), r"a\033[2J".into());
    }

    #[test]
    fn a_message_cut_off_keeps_the_options_before_the_cut() {
        let whole = message(1, b"\x0c\x02tv\x3c\x05class");
        for length in 0..whole.len() {
            let lease = parse(&whole[..length]);
            assert_eq!(lease.is_some(), length >= 236, "{length} bytes");
            if let Some(lease) = lease {
                assert_eq!(lease.host_name.is_some(), length >= 244);
                assert_eq!(lease.vendor_class, None);
            }
        }
    }

    #[test]
    fn dhcpv6_tells_the_same() {
        let mut solicit = vec![1, 0, 0, 1];
        solicit.extend(b"\0\x01\0\x0a\0\x03\0\x01\x18\xb4\x30\x01\x02\x03");
        solicit.extend(b"\0\x10\0\x0a\0\0\x01\x37\0\x04MSFT");
        solicit.extend(b"\0\x27\0\x08\0\x02tv\x03lan");
        let lease = parse_v6(&solicit).unwrap();
        assert!(lease.from_client);
        assert_eq!(lease.mac, Some(Mac(MAC)));
        assert_eq!(lease.vendor_class.unwrap(), "MSFT".into());
        assert_eq!(lease.host_name.unwrap(), "tv.lan".into());
        assert_eq!(parse_v6(&[12, 0, 0, 0]), None, "relayed");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), op in 1u8..3) {
            parse(&bytes);
            parse(&message(op, &bytes));
            parse_v6(&bytes);
            parse_v6(&[&[1, 0, 0, 0][..], &bytes].concat());
        }
    }
}
