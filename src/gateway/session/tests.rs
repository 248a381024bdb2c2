//! Two ends over a session of theirs, second by second.

use super::*;
use rand::SeedableRng;

const SIZE: usize = 172;

fn second(s: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + s, 0)
}

fn pair(seed: u64) -> Pair {
    Pair::generate(&mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
}

fn end(leads: bool, at: i64, seed: u64) -> Session {
    let (own, peer) = match leads {
        true => (pair(1), pair(2)),
        false => (pair(2), pair(1)),
    };
    let identity = Identity {
        own,
        peer: peer.public,
        tunnel: 0,
        limits: Limits::default(),
        secrets: ChaCha8Rng::seed_from_u64(seed),
    };
    Session::new(identity, SIZE, leads, second(at)).unwrap()
}

/// What goes in place of a cell now.
fn slot(end: &mut Session, at: i64, byte: u8) -> Vec<u8> {
    let now = second(at);
    let plain = vec![byte; plain_bytes(SIZE)];
    let datagram = end.handshake(now).or_else(|| end.seal(now, &plain));
    let datagram = datagram.unwrap_or_else(|| end.noise_datagram());
    assert_eq!(datagram.len(), SIZE);
    datagram
}

fn body(opened: Opened) -> Option<u8> {
    match opened {
        Opened::Cell { plain, .. } => plain.last().copied(),
        Opened::Nothing => None,
    }
}

/// Two ends that have keys, and all that went between them.
fn talking() -> (Session, Session, Vec<Vec<u8>>) {
    let (mut a, mut b) = (end(true, 0, 10), end(false, 0, 20));
    let mut log = Vec::new();
    for at in 0..3 {
        let up = slot(&mut a, at, 7);
        b.open(second(at), &up);
        let down = slot(&mut b, at, 8);
        a.open(second(at), &down);
        log.extend([up, down]);
    }
    assert!(a.is_up(second(3)) && b.is_up(second(3)));
    (a, b, log)
}

#[test]
fn two_ends_come_to_keys_and_speak() {
    let (mut a, mut b, _) = talking();
    let up = slot(&mut a, 3, 42);
    assert_eq!(body(b.open(second(3), &up)), Some(42));
    let down = slot(&mut b, 3, 43);
    assert_eq!(body(a.open(second(3), &down)), Some(43));
    assert_eq!((a.counts().handshakes, b.counts().handshakes), (1, 1));
}

#[test]
fn a_conversation_said_again_is_neither_heard_nor_answered() {
    let (mut a, mut b, log) = talking();
    for datagram in &log {
        for end in [&mut a, &mut b] {
            assert_eq!(end.open(second(4), datagram), Opened::Nothing);
            assert!(!end.wants(second(4)));
        }
    }
    // Nor by one that was started anew long after.
    let mut anew = end(false, 500, 21);
    for datagram in &log {
        assert_eq!(anew.open(second(500), datagram), Opened::Nothing);
        assert!(!anew.wants(second(500)));
    }
}

#[test]
fn what_is_forged_changes_nothing() {
    let (mut a, mut b, log) = talking();
    let good = slot(&mut a, 3, 42);
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    for sample in [&good, &log[0], &log[1], &log[4]] {
        for bit in 0..SIZE * 8 {
            let mut forged = sample.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            for end in [&mut a, &mut b] {
                assert_eq!(end.open(second(3), &forged), Opened::Nothing);
            }
        }
    }
    for length in [0, 8, SIZE - 1, SIZE + 1, SIZE, SIZE, SIZE] {
        let mut forged = vec![0; length];
        chance.fill_bytes(&mut forged);
        assert_eq!(b.open(second(3), &forged), Opened::Nothing);
    }
    assert!(!b.wants(second(3)));
    assert_eq!(body(b.open(second(3), &good)), Some(42));
}

#[test]
fn keys_are_renewed_in_place_of_a_cell_and_nothing_is_lost() {
    let (mut a, mut b, _) = talking();
    let mut last = a.counter();
    let mut heard = 0;
    for at in 3..1000 {
        let up = slot(&mut a, at, 1);
        heard += usize::from(body(b.open(second(at), &up)).is_some());
        let down = slot(&mut b, at, 2);
        a.open(second(at), &down);
        assert!(a.counter() >= last, "the counter falls");
        last = a.counter();
    }
    // Every 120 s from the first second on: 8 in 997; each took the place of one cell.
    assert_eq!(a.counts().handshakes, 9);
    assert_eq!(heard, 997 - 8);
    assert_eq!(a.counts().unauthentic + b.counts().unauthentic, 0);
}

#[test]
fn keys_are_renewed_by_count_as_well() {
    let (mut a, mut b, _) = talking();
    a.limits.cells = 50;
    for cell in 0..1000i64 {
        // Twenty a second: two minutes never pass.
        let now = Timestamp(second(3).0 + cell * 50_000_000);
        for up in [true, false] {
            let (from, to) = if up {
                (&mut a, &mut b)
            } else {
                (&mut b, &mut a)
            };
            let made = from.handshake(now);
            let plain = vec![0; plain_bytes(SIZE)];
            let made = made.or_else(|| from.seal(now, &plain)).unwrap();
            to.open(now, &made);
        }
    }
    // After 50 cells each, but for the two seconds between one opening and the next, which are 40.
    assert_eq!(a.counts().handshakes, 1 + 1000 / 51);
}

#[test]
fn an_end_started_anew_is_back_within_seconds() {
    for leads in [true, false] {
        let (mut a, mut b, _) = talking();
        // It comes back after 10 s; the other knows nothing of it.
        match leads {
            true => a = end(true, 13, 11),
            false => b = end(false, 13, 21),
        }
        let mut back = None;
        for at in 13..30 {
            let up = slot(&mut a, at, 1);
            let up = b.open(second(at), &up);
            let down = slot(&mut b, at, 2);
            let down = a.open(second(at), &down);
            if let (Opened::Cell { .. }, Opened::Cell { .. }) = (up, down) {
                back = back.or(Some(at - 13));
            }
        }
        assert!(back.is_some_and(|after| after <= 4), "{leads}: {back:?}");
    }
}

#[test]
fn openings_that_cross_leave_one_key_that_lasts() {
    let (mut a, mut b) = (end(true, 0, 10), end(false, 0, 20));
    // Both open before either hears the other: the far end's patience is over.
    let (up, down) = (slot(&mut a, 2, 1), slot(&mut b, 2, 2));
    b.open(second(2), &up);
    a.open(second(2), &down);
    for at in 3..119 {
        // The near end speaks all the time, the far end only at the end.
        let up = slot(&mut a, at, 1);
        let heard = body(b.open(second(at), &up));
        assert!(at < 5 || heard == Some(1), "{at}");
        if !(5..=100).contains(&at) {
            let down = slot(&mut b, at, 2);
            let heard = body(a.open(second(at), &down));
            assert!(at < 5 || heard == Some(2), "{at}");
        }
    }
    assert_eq!((a.counts().handshakes, b.counts().handshakes), (1, 1));
}

#[test]
fn keys_that_were_renewed_in_silence_are_used_by_both() {
    let (mut a, mut b, _) = talking();
    // At 130 s there is a handshake, and nothing is said but what confirms it.
    let opening = a.handshake(second(130)).unwrap();
    b.open(second(130), &opening);
    let answer = b.handshake(second(130)).unwrap();
    a.open(second(130), &answer);
    assert!(a.is_unconfirmed() && !b.is_unconfirmed());
    // Where the confirming cell is lost, the old keys still open long after.
    let late = slot(&mut b, 200, 7);
    assert_eq!(body(a.open(second(200), &late)), Some(7));
    let confirming = slot(&mut a, 201, 0);
    assert!(!a.is_unconfirmed());
    b.open(second(201), &confirming);
    let down = slot(&mut b, 202, 8);
    assert_eq!(body(a.open(second(202), &down)), Some(8));
}

#[test]
fn lost_handshakes_are_tried_again() {
    let (mut a, mut b) = (end(true, 0, 10), end(false, 0, 20));
    let mut up_at = None;
    for at in 0..20 {
        let up = slot(&mut a, at, 1);
        if at % 3 == 2 {
            b.open(second(at), &up);
        }
        let down = slot(&mut b, at, 2);
        if at % 4 < 2 {
            a.open(second(at), &down);
        }
        if a.is_up(second(at)) && b.is_up(second(at)) {
            up_at = up_at.or(Some(at));
        }
    }
    assert!(up_at.is_some());
}

#[test]
fn counters_are_told_by_their_low_half() {
    let (a, _, _) = talking();
    let mut keys = a.current.unwrap();
    keys.window = Window::default();
    keys.base = (1 << 33) - 2;
    assert_eq!(keys.counter(u32::MAX), (1 << 33) - 1);
    assert_eq!(keys.counter(5), (1 << 33) + 5);
    keys.window.mark((1 << 33) + 5);
    assert_eq!(keys.counter(u32::MAX - 7), (1 << 33) - 8);
    keys.window = Window::default();
    keys.base = 3;
    assert_eq!(keys.counter(u32::MAX), u64::from(u32::MAX));
}
