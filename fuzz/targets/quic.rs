//! Arbitrary bytes as a datagram, and as the frames of Initial packets that were opened: nothing panics, and what waits
//! stays within its limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stp_audit::packet::hello::Progress;
use stp_audit::packet::quic::{is_initial, Initials, SMALLEST};
use stp_audit::packet::stitch::Limits;

fuzz_target!(|data: &[u8]| {
    let mut table = Initials::new(Limits {
        streams: 2,
        bytes: 10_000,
    });
    let mut datagram = data.to_vec();
    datagram.resize(data.len().max(SMALLEST), 0);
    if table.push(1, &datagram) != Progress::NotHello {
        assert!(is_initial(&datagram) || datagram[0] & 0x80 != 0);
    }
    // The first byte of each packet says how long it is and whose.
    let mut rest = data;
    while let Some((&head, behind)) = rest.split_first() {
        let (frames, behind) = behind.split_at(usize::from(head).min(behind.len()));
        let progress = table.push_frames(u64::from(head & 3), b"id", frames);
        if let Progress::Name(name) = progress {
            assert!(!name.is_empty() && !name.chars().any(char::is_control));
        }
        assert!(table.len() <= 2);
        rest = behind;
    }
});
