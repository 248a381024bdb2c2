//! The keys of the hour: Noise KK between two ends that know each other's static keys, renewed by time and by count.
//!
//! Noise (T. Perrin, "The Noise Protocol Framework", revision 34) with pattern KK: both static keys are known beforehand, so
//! the first message is authenticated already, and nothing is ever sent to who cannot authenticate. Where we follow
//! WireGuard (J. Donenfeld, NDSS 2017): an opening carries a timestamp that must be later than any before; an answer is sent
//! once to each; keys that an answer made are used to send only after the other end has used them; keys that were replaced
//! open what is still on its way. Where we differ: every message, handshake or not, has the size of a cell and takes the
//! place of one, so that [`Session::handshake`] is asked whenever a cell goes and none goes besides.
//!
//! Nonces are one counter that goes on from key to key and never back; an end that is started anew begins at 0 with new keys.

use super::keys::{KeyError, Pair, Public};
use super::replay::Window;
use super::wire::{Header, Kind, Veil, CONTROL_BYTES, HEADER_BYTES, TAG_BYTES};
use crate::units::{nanos, Timestamp};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, StatelessTransportState};
use std::time::Duration;

/// The protocol's name, as Noise writes it.
const PROTOCOL: &str = "Noise_KK_25519_ChaChaPoly_BLAKE2s";

/// What both ends must agree on besides keys; the size of a datagram follows it.
const PROLOGUE: &[u8] = b"stp-audit gateway 1";

/// An opening that is not answered is sent again after so long: the longest round trip there may be.
pub const RETRY: Duration = Duration::from_secs(2);

/// The far end opens a session itself where none was opened for so long: it was started anew, and the other does not know.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Clocks of both ends may differ by so much. An end that was started anew remembers no timestamps; this bounds which
/// openings of old it would answer.
pub const CLOCKS: Duration = Duration::from_secs(120);

/// Keys that were replaced open what is on its way for so long.
const LINGER: Duration = Duration::from_secs(30);

/// Bytes of a handshake message besides its payload: an ephemeral key and a tag.
const HANDSHAKE_BYTES: usize = 32 + TAG_BYTES;

/// When keys are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After so long, or
    pub age: Duration,
    /// after so many cells.
    pub cells: u64,
    /// Keys that could not be renewed are not used any more after so long.
    pub end: Duration,
}

impl Default for Limits {
    /// Two minutes as WireGuard, and 2^24 cells: long before the 2^32 that a header's counter tells apart. An end that hears
    /// nothing for ten minutes sends noise in place of cells.
    fn default() -> Self {
        Self {
            age: Duration::from_secs(120),
            cells: 1 << 24,
            end: Duration::from_secs(600),
        }
    }
}

/// What is counted of datagrams that were turned away, and of handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of another size.
    pub size: u64,
    /// Nobody who knows the veil wrote them.
    pub strange: u64,
    /// The veil is right, but not the tag, or the keys are gone.
    pub unauthentic: u64,
    /// Heard already, or too old.
    pub replayed: u64,
    /// Handshakes that were completed.
    pub handshakes: u64,
}

/// What was in a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: it was turned away and counted, or a handshake's.
    Nothing,
    /// A cell.
    Cell {
        /// Its place among the other end's cells.
        counter: u64,
        /// Control and body.
        plain: Vec<u8>,
        /// Whether it is the first since the other end was started anew.
        anew: bool,
    },
}

/// The keys of one handshake.
struct Keys {
    transport: StatelessTransportState,
    number: u16,
    since: Timestamp,
    sent: u64,
    window: Window,
    /// The other end's counter when it made them.
    base: u64,
    anew: bool,
}

impl Keys {
    /// The whole counter whose low half was told: the one nearest to what comes next.
    fn counter(&self, low: u32) -> u64 {
        let next = match self.window.highest() {
            Some(highest) => highest.saturating_add(1),
            None => self.base,
        };
        let round = 1u64 << 32;
        let near = (next & !(round - 1)) | u64::from(low);
        match near.checked_sub(round) {
            Some(below) if near > next.saturating_add(round / 2) => below,
            _ if near.saturating_add(round / 2) < next => near.saturating_add(round),
            _ => near,
        }
    }
}

/// An end's part of all sessions with one other end.
pub struct Session {
    own: Pair,
    peer: Public,
    /// Veils of what this end sends and of what it hears.
    veils: [Veil; 2],
    /// Bytes of every datagram.
    size: usize,
    leads: bool,
    limits: Limits,
    secrets: ChaCha8Rng,
    started: Timestamp,
    counter: u64,
    current: Option<Keys>,
    /// Replaced; until when they open, once the other end has used those that came after.
    previous: Option<(Keys, Option<Timestamp>)>,
    /// Made by an answer of ours; the other end has not used them yet.
    next: Option<Keys>,
    opening: Option<Box<HandshakeState>>,
    tried: Option<Timestamp>,
    answer: Option<Vec<u8>>,
    /// New keys were made that this end opened and has not used yet: the other does not use them before.
    unconfirmed: bool,
    /// The latest timestamp of an opening.
    heard: Timestamp,
    counts: Counts,
}

/// Chance for one handshake's ephemeral key.
struct Drawn([u8; 32]);

impl Random for ChaCha {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

/// A generator as Noise wants one.
struct ChaCha(ChaCha8Rng);

impl CryptoResolver for Drawn {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(ChaCha(ChaCha8Rng::from_seed(self.0))))
    }
    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }
    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }
    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

impl Session {
    /// An end without keys yet. `size`: bytes of every datagram's payload. `leads`: whether it is the device's side, which
    /// opens and renews. `secrets` is chance that nobody can guess, and no other end may have the same.
    ///
    /// # Errors
    /// The peer's key is none.
    pub fn new(
        own: Pair,
        peer: Public,
        size: usize,
        leads: bool,
        limits: Limits,
        now: Timestamp,
        secrets: ChaCha8Rng,
    ) -> Result<Self, KeyError> {
        let shared = own.shared(peer)?;
        let veils = [own.public, peer].map(|sender| Veil::new(&shared, &sender.0));
        Ok(Self {
            own,
            peer,
            veils,
            size,
            leads,
            limits,
            secrets,
            started: now,
            counter: 0,
            current: None,
            previous: None,
            next: None,
            opening: None,
            tried: None,
            answer: None,
            unconfirmed: false,
            heard: Timestamp(i64::MIN),
            counts: Counts::default(),
        })
    }

    /// What was turned away, and how often keys were renewed.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next cell's counter: it never falls.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Whether a cell that goes now can carry anything.
    pub fn is_up(&self, now: Timestamp) -> bool {
        let usable = |keys: &Keys| keys.since + self.limits.end > now && keys.sent < 1 << 31;
        self.current.as_ref().is_some_and(usable)
    }

    /// Whether a cell should go soon, be it empty: the other end waits for one under the new keys.
    pub fn is_unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// When a handshake message next wants the place of a cell.
    pub fn wants_at(&self) -> Option<Timestamp> {
        if self.answer.is_some() {
            return Some(Timestamp(i64::MIN));
        }
        let due = match &self.current {
            None if self.leads => self.started,
            None => self.started + PATIENCE,
            Some(_) if !self.leads => return None,
            Some(keys) if keys.sent >= self.limits.cells => Timestamp(i64::MIN),
            Some(keys) => keys.since + self.limits.age,
        };
        // Whoever was answered just now is about to use what came of it.
        let answered = self.next.as_ref().map(|keys| keys.since);
        let tried = self.tried.max(answered);
        let again = tried.map_or(Timestamp(i64::MIN), |tried| tried + RETRY);
        Some(due.max(again))
    }

    /// Whether a handshake message wants the place of the next cell.
    pub fn wants(&self, now: Timestamp) -> bool {
        self.wants_at().is_some_and(|at| at <= now)
    }

    /// The handshake message that takes the place of the cell that goes now, where one is wanted.
    pub fn handshake(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        if !self.wants(now) {
            return None;
        }
        if let Some(answer) = self.answer.take() {
            return Some(answer);
        }
        self.tried = Some(now);
        let mut state = self.noise(true)?;
        let payload = self.payload(now);
        let mut datagram = vec![0; self.size];
        let written = state.write_message(&payload, datagram.get_mut(HEADER_BYTES..)?);
        written.ok().filter(|n| n + HEADER_BYTES == self.size)?;
        self.veil(Kind::Opening, 0, 0, &mut datagram);
        self.opening = Some(Box::new(state));
        Some(datagram)
    }

    /// A cell with control and body, which are as long as a cell has room; `None` where there are no keys.
    pub fn seal(&mut self, now: Timestamp, plain: &[u8]) -> Option<Vec<u8>> {
        if !self.is_up(now) {
            return None;
        }
        let counter = self.counter;
        let keys = self.current.as_mut()?;
        let mut datagram = vec![0; self.size];
        let rest = datagram.get_mut(HEADER_BYTES..)?;
        let written = keys.transport.write_message(counter, plain, rest).ok()?;
        self.counter = counter.checked_add(1)?;
        self.unconfirmed = false;
        keys.sent = keys.sent.saturating_add(1);
        let number = keys.number;
        if written + HEADER_BYTES != self.size {
            return None;
        }
        let low = u32::try_from(counter & u64::from(u32::MAX)).unwrap_or(0);
        self.veil(Kind::Cell, number, low, &mut datagram);
        Some(datagram)
    }

    /// A datagram that nobody can open: for a cell that goes while there are no keys.
    pub fn noise_datagram(&mut self) -> Vec<u8> {
        let mut datagram = vec![0; self.size];
        self.secrets.fill_bytes(&mut datagram);
        datagram
    }

    /// Opens what came. Nothing changes but counts unless it is authentic and new.
    pub fn open(&mut self, now: Timestamp, datagram: &[u8]) -> Opened {
        if datagram.len() != self.size {
            self.counts.size = self.counts.size.saturating_add(1);
            return Opened::Nothing;
        }
        let [_, theirs] = &self.veils;
        let (Some(header), Some(rest)) = (theirs.read(datagram), datagram.get(HEADER_BYTES..))
        else {
            self.counts.strange = self.counts.strange.saturating_add(1);
            return Opened::Nothing;
        };
        let over = |until: &Option<Timestamp>| until.is_some_and(|until| until < now);
        if self.previous.as_ref().is_some_and(|(_, until)| over(until)) {
            self.previous = None;
        }
        let done = match header.kind {
            Kind::Cell => return self.open_cell(now, header, rest),
            Kind::Opening => self.answer_to(now, rest),
            Kind::Answer => self.complete(now, rest),
        };
        if done.is_none() {
            self.counts.unauthentic = self.counts.unauthentic.saturating_add(1);
        }
        Opened::Nothing
    }

    fn open_cell(&mut self, now: Timestamp, header: Header, rest: &[u8]) -> Opened {
        let mut plain = vec![0; rest.len()];
        let previous = self.previous.as_mut().map(|(keys, _)| keys);
        let all = [self.current.as_mut(), self.next.as_mut(), previous];
        let mut replayed = false;
        let mut opened = None;
        for (place, keys) in all.into_iter().enumerate() {
            let Some(keys) = keys.filter(|keys| keys.number == header.key) else {
                continue;
            };
            let counter = keys.counter(header.counter);
            if !keys.window.is_fresh(counter) {
                replayed = true;
                continue;
            }
            if let Ok(length) = keys.transport.read_message(counter, rest, &mut plain) {
                keys.window.mark(counter);
                plain.truncate(length);
                opened = Some((place, counter, std::mem::take(&mut keys.anew)));
                break;
            }
        }
        let Some((place, counter, anew)) = opened else {
            let count = match replayed {
                true => &mut self.counts.replayed,
                false => &mut self.counts.unauthentic,
            };
            *count = count.saturating_add(1);
            return Opened::Nothing;
        };
        if place == 1 {
            // The other end uses what our answer made.
            if let Some(keys) = self.next.take() {
                self.use_keys(keys);
            }
        }
        if let (0 | 1, Some((_, until @ None))) = (place, &mut self.previous) {
            *until = Some(now + LINGER);
        }
        Opened::Cell {
            counter,
            plain,
            anew,
        }
    }

    fn use_keys(&mut self, keys: Keys) {
        let old = self.current.replace(keys);
        self.previous = old.map(|old| (old, None));
        self.counts.handshakes = self.counts.handshakes.saturating_add(1);
    }

    fn noise(&mut self, opens: bool) -> Option<HandshakeState> {
        let mut drawn = [0; 32];
        self.secrets.fill_bytes(&mut drawn);
        let resolver = FallbackResolver::new(Box::new(Drawn(drawn)), Box::new(DefaultResolver));
        let size = u32::try_from(self.size).ok()?.to_be_bytes();
        let prologue = [PROLOGUE, &size].concat();
        let builder = Builder::with_resolver(PROTOCOL.parse().ok()?, Box::new(resolver))
            .local_private_key(self.own.private.bytes())
            .and_then(|builder| builder.remote_public_key(&self.peer.0))
            .and_then(|builder| builder.prologue(&prologue));
        let built = match opens {
            true => builder.and_then(Builder::build_initiator),
            false => builder.and_then(Builder::build_responder),
        };
        built.ok()
    }

    /// Timestamp, counter, and zeros up to the size of a cell.
    fn payload(&self, now: Timestamp) -> Vec<u8> {
        let mut payload = [now.0.to_be_bytes(), self.counter.to_be_bytes()].concat();
        payload.resize(self.size.saturating_sub(HEADER_BYTES + HANDSHAKE_BYTES), 0);
        payload
    }

    fn veil(&self, kind: Kind, key: u16, counter: u32, datagram: &mut [u8]) {
        let [ours, _] = &self.veils;
        let header = Header { kind, key, counter };
        ours.write(header, datagram);
    }

    fn keys(&self, now: Timestamp, state: HandshakeState, base: u64) -> Option<Keys> {
        let number = u16::from_be_bytes(*state.get_handshake_hash().first_chunk()?);
        let older = [self.current.as_ref(), self.next.as_ref()];
        let heard = older
            .into_iter()
            .flatten()
            .filter_map(|keys| keys.window.highest());
        let anew = heard.max().is_some_and(|highest| base <= highest);
        Some(Keys {
            transport: state.into_stateless_transport_mode().ok()?,
            number,
            since: now,
            sent: 0,
            window: Window::default(),
            base,
            anew,
        })
    }

    /// Answers an opening in place of the next cell; `None` where it is not authentic or not new.
    fn answer_to(&mut self, now: Timestamp, rest: &[u8]) -> Option<()> {
        let mut state = self.noise(false)?;
        let mut payload = vec![0; rest.len()];
        let length = state.read_message(rest, &mut payload).ok()?;
        let (at, base) = told(payload.get(..length)?)?;
        let off = nanos(CLOCKS);
        let current = (now.0.saturating_sub(off)..=now.0.saturating_add(off)).contains(&at.0);
        // Where openings cross, the leader's goes on: with one each, both ends would use keys that the other is leaving.
        let crosses = self.opening.is_some() && self.tried.is_some_and(|tried| tried + RETRY > now);
        if at <= self.heard || !current || (self.leads && crosses) {
            return None;
        }
        let mut datagram = vec![0; self.size];
        let payload = self.payload(now);
        let written = state.write_message(&payload, datagram.get_mut(HEADER_BYTES..)?);
        written.ok().filter(|n| n + HEADER_BYTES == self.size)?;
        self.veil(Kind::Answer, 0, 0, &mut datagram);
        self.next = Some(self.keys(now, state, base)?);
        self.heard = at;
        self.opening = None;
        self.answer = Some(datagram);
        Some(())
    }

    /// Completes a handshake that this end opened.
    fn complete(&mut self, now: Timestamp, rest: &[u8]) -> Option<()> {
        let mut payload = vec![0; rest.len()];
        let opening = self.opening.as_mut()?;
        let length = opening.read_message(rest, &mut payload).ok()?;
        let (_, base) = told(payload.get(..length)?)?;
        let state = *self.opening.take()?;
        let keys = self.keys(now, state, base)?;
        self.use_keys(keys);
        self.next = None;
        self.unconfirmed = true;
        Some(())
    }
}

/// Timestamp and counter of a handshake's payload.
fn told(payload: &[u8]) -> Option<(Timestamp, u64)> {
    let (at, rest) = payload.split_first_chunk()?;
    let base = rest.first_chunk()?;
    Some((
        Timestamp(i64::from_be_bytes(*at)),
        u64::from_be_bytes(*base),
    ))
}

/// Bytes of control and body together in a cell of that payload size.
pub fn plain_bytes(size: usize) -> usize {
    size.saturating_sub(HEADER_BYTES + TAG_BYTES)
        .max(CONTROL_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let secrets = ChaCha8Rng::seed_from_u64(seed);
        let limits = Limits::default();
        Session::new(own, peer.public, SIZE, leads, limits, second(at), secrets).unwrap()
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
}
