//! Initial packets sealed here, the sealing held to the samples the RFCs publish.

use proptest::prelude::*;
use ring::{aead, hkdf};

use super::*;
use crate::packet::hello::tests::{client_hello, hello_for};

/// The connection id of the samples in RFC 9001 and RFC 9369, appendix A.
const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// The CRYPTO frame of the same samples: a ClientHello for example.com.
const SAMPLE: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47\
    f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017\
    001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71\
    f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100\
    3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1) with no context.
fn expand(secret: &hkdf::Prk, label: &str, length: usize) -> Vec<u8> {
    let info = [
        &[0, length as u8, 6 + label.len() as u8][..],
        b"tls13 ",
        label.as_bytes(),
        &[0],
    ]
    .concat();
    let mut out = vec![0; length];
    secret
        .expand(&[&info], Length(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

/// An Initial packet of a client (RFC 9001, section 5): `frames` padded to a datagram of `size` bytes.
struct Seal<'a> {
    version: u32,
    /// The id on the wire.
    id: &'a [u8],
    /// The id the keys come from.
    key_id: &'a [u8],
    number: u32,
    size: usize,
}

impl Default for Seal<'_> {
    fn default() -> Self {
        Self {
            version: V1,
            id: &ID,
            key_id: &ID,
            number: 2,
            size: SMALLEST,
        }
    }
}

impl Seal<'_> {
    fn packet(&self, frames: &[u8]) -> Vec<u8> {
        // RFC 9001, section 5.2; RFC 9369, section 3.3.
        let (salt, prefix, kind) = match self.version {
            V1 => ("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "quic", 0xc3),
            _ => ("0dede3def700a6db819381be6e269dcbf9bd2ed9", "quicv2", 0xd3),
        };
        let salt = hex(salt);
        let initial = hkdf::Salt::new(hkdf::HKDF_SHA256, &salt).extract(self.key_id);
        let client = expand(&initial, "client in", 32);
        let client = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &client);
        let key = expand(&client, &format!("{prefix} key"), 16);
        let mut nonce: [u8; 12] = expand(&client, &format!("{prefix} iv"), 12)
            .try_into()
            .unwrap();
        let protection = expand(&client, &format!("{prefix} hp"), 16);

        let mut header = vec![kind];
        header.extend(self.version.to_be_bytes());
        header.push(self.id.len() as u8);
        header.extend(self.id);
        header.extend([0, 0]); // source id, token
        let length = self.size - header.len() - 2;
        header.extend((0x4000 | length as u16).to_be_bytes());
        let number = self.number.to_be_bytes();
        let number_at = header.len();
        header.extend(number);

        let mut sealed = frames.to_vec();
        sealed.resize(length - 4 - 16, 0);
        for (byte, number) in nonce[8..].iter_mut().zip(number) {
            *byte ^= number;
        }
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key).unwrap());
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, aead::Aad::from(&header), &mut sealed)
            .unwrap();
        let mut packet = [header, sealed].concat();
        let protection =
            aead::quic::HeaderProtectionKey::new(&aead::quic::AES_128, &protection).unwrap();
        let mask = protection
            .new_mask(&packet[number_at + 4..number_at + 20])
            .unwrap();
        packet[0] ^= mask[0] & 0x0f;
        for (byte, mask) in packet[number_at..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        packet
    }
}

/// A CRYPTO frame (RFC 9000, section 19.6).
fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![6];
    frame.extend((0x8000_0000 | offset as u32).to_be_bytes());
    frame.extend((0x4000 | data.len() as u16).to_be_bytes());
    frame.extend(data);
    frame
}

fn named() -> Progress {
    Progress::Name("example.com".into())
}

fn push(datagram: &[u8]) -> Progress {
    Initials::default().push(1, datagram)
}

#[test]
fn the_sample_of_rfc_9001_is_opened() {
    let packet = Seal::default().packet(&hex(SAMPLE));
    // Appendix A.2: the first bytes of the protected packet, and its tag.
    assert!(packet.starts_with(&hex(
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11"
    )));
    assert!(packet.ends_with(&hex("e221af44860018ab0856972e194cd934")));
    assert!(is_initial(&packet));
    assert_eq!(push(&packet), named());
}

#[test]
fn the_sample_of_rfc_9369_is_opened() {
    let packet = Seal {
        version: V2,
        ..Seal::default()
    }
    .packet(&hex(SAMPLE));
    assert!(packet.starts_with(&hex(
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485"
    )));
    assert!(packet.ends_with(&hex("a18b2faa745b6fe189cf772a9f84cbfc")));
    assert_eq!(push(&packet), named());
}

#[test]
fn a_hello_comes_in_shuffled_frames_over_several_datagrams() {
    let hello = hello_for(b"example.com", 2500);
    let parts: Vec<(usize, &[u8])> = (0..).step_by(400).zip(hello.chunks(400)).collect();
    for order in [
        [0, 1, 2, 3, 4, 5, 6],
        [6, 5, 4, 3, 2, 1, 0],
        [3, 0, 6, 1, 5, 2, 4],
    ] {
        let mut table = Initials::default();
        for (number, &part) in order.iter().enumerate() {
            let (offset, data) = parts[part];
            // A PING before the frame, and part of it once more behind.
            let frames = [&[1][..], &crypto(offset, data), &crypto(offset, &data[..9])].concat();
            let packet = Seal {
                number: number as u32,
                ..Seal::default()
            }
            .packet(&frames);
            let progress = table.push(1, &packet);
            let last = number + 1 == order.len();
            assert_eq!(progress, if last { named() } else { Progress::NeedMore });
        }
        assert!(table.is_empty());
    }
}

#[test]
fn keys_outlive_the_id_they_came_from() {
    let hello = hello_for(b"example.com", 1000);
    let mut table = Initials::default();
    let first = Seal::default().packet(&crypto(0, &hello[..700]));
    assert_eq!(table.push(1, &first), Progress::NeedMore);
    // The server has answered: its id on the wire, the old keys.
    let second = Seal {
        id: b"server's",
        ..Seal::default()
    };
    assert_eq!(
        table.push(1, &second.packet(&crypto(700, &hello[700..]))),
        named()
    );
}

#[test]
fn a_retry_changes_the_keys() {
    let hello = hello_for(b"example.com", 1000);
    let mut table = Initials::default();
    let first = Seal::default().packet(&crypto(0, &hello[..700]));
    assert_eq!(table.push(1, &first), Progress::NeedMore);
    let again = Seal {
        id: b"retry",
        key_id: b"retry",
        ..Seal::default()
    };
    assert_eq!(
        table.push(1, &again.packet(&crypto(0, &hello[..800]))),
        Progress::NeedMore
    );
    assert_eq!(
        table.push(1, &again.packet(&crypto(800, &hello[800..]))),
        named()
    );
}

#[test]
fn packets_share_a_datagram() {
    let hello = hello_for(b"example.com", 0);
    // A Handshake packet of 20 bytes in front, one more behind: ids of 0 bytes, length 12.
    let handshake = [&[0xe0, 0, 0, 0, 1, 0, 0, 12][..], &[0; 12]].concat();
    let half = Seal {
        size: 600,
        ..Seal::default()
    };
    let datagram = [
        &handshake[..],
        &half.packet(&crypto(0, &hello[..40])),
        &half.packet(&crypto(40, &hello[40..])),
        &handshake,
    ]
    .concat();
    assert_eq!(push(&datagram), named());
}

#[test]
fn what_does_not_open_is_no_hello() {
    let good = Seal::default().packet(&hex(SAMPLE));
    let mut damaged = good.clone();
    damaged[600] ^= 1;
    let servers = Seal {
        id: b"client's",
        key_id: &ID,
        ..Seal::default()
    }
    .packet(&hex(SAMPLE));
    let mut unknown_version = good.clone();
    unknown_version[4] = 9;
    let mut short_header = good.clone();
    short_header[0] = 0x40;
    for datagram in [
        &damaged,
        &servers,
        &unknown_version,
        &short_header,
        &good[..1199].to_vec(),
    ] {
        assert_eq!(push(datagram), Progress::NotHello);
    }
}

#[test]
fn offsets_far_away_are_refused() {
    let far = Seal::default().packet(&crypto(0x3fff_ff00, b"x"));
    assert_eq!(push(&far), Progress::GaveUp(Why::TooLong));
    let nameless = Seal::default().packet(&crypto(0, &client_hello(&[])));
    assert_eq!(push(&nameless), Progress::NoName);
}

#[test]
fn half_hellos_stay_within_the_limits() {
    let hello = hello_for(b"example.com", 1000);
    let half = Seal::default().packet(&crypto(0, &hello[..700]));
    let mut table = Initials::new(Limits {
        streams: 50,
        bytes: 100_000,
    });
    for flow in 0..500 {
        assert_eq!(table.push(flow, &half), Progress::NeedMore);
    }
    assert_eq!(table.len() as u64 + table.evicted(), 500);
    assert!(table.len() <= 50);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        mut bytes in proptest::collection::vec(any::<u8>(), SMALLEST..1400), v2 in any::<bool>()
    ) {
        push(&bytes);
        let header: &[u8] = if v2 { &[0xd0, 0x6b, 0x33, 0x43, 0xcf, 8] } else { &[0xc0, 0, 0, 0, 1, 8] };
        bytes[..6].copy_from_slice(header);
        push(&bytes);
    }

    /// Frames nobody can forge without the keys, which everybody has.
    #[test]
    fn any_frames_are_survived(frames in proptest::collection::vec(any::<u8>(), 0..900)) {
        push(&Seal::default().packet(&frames));
        push(&Seal::default().packet(&[&[6][..], &frames].concat()));
    }
}
