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
use super::noise;
use super::replay::Window;
use super::wire::{Header, Kind, Veil, CONTROL_BYTES, HEADER_BYTES, TAG_BYTES};
use crate::units::{nanos, Timestamp};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use snow::{HandshakeState, StatelessTransportState};
use std::time::Duration;

/// An opening that is not answered is sent again after so long: the longest round trip there may be.
pub const RETRY: Duration = Duration::from_secs(2);

/// The far end opens a session itself where none was opened for so long: it was started anew, and the other does not know.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Clocks of both ends may differ by so much. An end that was started anew remembers no timestamps; this bounds which
/// openings of old it would answer.
pub const CLOCKS: Duration = Duration::from_secs(120);

/// Keys that were replaced open what is on its way for so long.
const LINGER: Duration = Duration::from_secs(30);

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

/// Who is at both ends of a tunnel, and chance for its keys.
pub struct Identity {
    /// This end.
    pub own: Pair,
    /// The other.
    pub peer: Public,
    /// Which of the tunnels between the two it is: what was said in one is nothing in another.
    pub tunnel: u32,
    /// When keys are renewed.
    pub limits: Limits,
    /// Chance that nobody can guess and no other end has.
    pub secrets: ChaCha8Rng,
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
    tunnel: u32,
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

impl Session {
    /// An end without keys yet. `size`: bytes of every datagram's payload. `leads`: whether it is the device's side, which
    /// opens and renews.
    ///
    /// # Errors
    /// The peer's key is none.
    pub fn new(
        identity: Identity,
        size: usize,
        leads: bool,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let Identity {
            own,
            peer,
            tunnel,
            limits,
            secrets,
        } = identity;
        let shared = own.shared(peer)?;
        let veils = [own.public, peer].map(|sender| Veil::new(&shared, &sender.0));
        Ok(Self {
            own,
            peer,
            tunnel,
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
        let payload = noise::payload(now, self.counter, self.size);
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
        noise::begin(&self.own, self.peer, (self.size, self.tunnel), opens, drawn)
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
        let (at, base) = noise::told(payload.get(..length)?)?;
        let off = nanos(CLOCKS);
        let current = (now.0.saturating_sub(off)..=now.0.saturating_add(off)).contains(&at.0);
        // Where openings cross, the leader's goes on: with one each, both ends would use keys that the other is leaving.
        let crosses = self.opening.is_some() && self.tried.is_some_and(|tried| tried + RETRY > now);
        if at <= self.heard || !current || (self.leads && crosses) {
            return None;
        }
        let mut datagram = vec![0; self.size];
        let payload = noise::payload(now, self.counter, self.size);
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
        let (_, base) = noise::told(payload.get(..length)?)?;
        let state = *self.opening.take()?;
        let keys = self.keys(now, state, base)?;
        self.use_keys(keys);
        self.next = None;
        self.unconfirmed = true;
        Some(())
    }
}

/// Bytes of control and body together in a cell of that payload size.
pub fn plain_bytes(size: usize) -> usize {
    size.saturating_sub(HEADER_BYTES + TAG_BYTES)
        .max(CONTROL_BYTES)
}

#[cfg(test)]
mod tests;
