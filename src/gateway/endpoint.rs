//! One end of the tunnel, with no clock and no socket: shaper or follower, session and packing together.
//!
//! Genuine packets are offered, datagrams come out when the schedule says so and at no other time; what came from the other
//! end goes in, packets come out. What a datagram carries, cover, genuine bytes or a handshake, never moves it.
//!
//! The end at the device's side leads: its [`Shaper`] decides for both directions. The other follows
//! ([`crate::stp::follower`], which tells what that leaves to be seen).
//!
//! Where quiet traffic passes, a background packet goes in as many cells as it needs, at once; one that finds no cell before
//! the end of padding goes right after it, for off schedule goes nothing. Handshakes outside padding go as background does.

use super::keys::KeyError;
use super::packing::{length, Inbox, Length, Outbox};
use super::session::{plain_bytes, Counts, Opened, Session};
use super::wire::{Control, CELLS, CONTROL_BYTES, OUTER_BYTES};
use crate::stp::follower::{Follower, Follows};
use crate::stp::lane::Quiet;
use crate::stp::shaper::{Admission, Output, Plan, PlanError, Shaper};
use crate::units::{Direction, Timestamp};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

pub use super::session::Identity;

/// Nanoseconds in a step of [`Control::until`].
const STEP: i64 = 100_000;

/// Most packets that wait outside the schedule: background until padding ends or there are keys.
const HELD_AT_MOST: usize = 1024;

/// Why there is no end.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Cells that no datagram can be.
    #[error("cells of {0} bytes: a gateway's are {least} to {most}, so that a handshake fits and nothing is fragmented", least = CELLS.start(), most = CELLS.end())]
    Cells(u32),
    /// Keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What became of a packet that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Offered {
    /// It will go.
    Taken,
    /// Too much waits: it is lost, and counted.
    Refused,
    /// It is no IP packet, or not as long as it says: lost, and counted.
    Unfit,
}

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When it was to go.
    pub planned: Timestamp,
    /// The UDP payload.
    pub bytes: Vec<u8>,
    /// Whether it is a cell of padding.
    pub padded: bool,
    /// Genuine bytes within, for the books.
    pub genuine: u32,
    /// Whether it is a handshake, for the books.
    pub handshake: bool,
}

/// What is counted of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets offered.
    pub offered: u64,
    /// Of them, for too much waited.
    pub refused: u64,
    /// Of them, for they are no IP packets.
    pub unfit: u64,
    /// Packets that came out.
    pub delivered: u64,
}

enum Role {
    Leads(Box<Shaper>, Box<ChaCha8Rng>),
    Follows(Box<Follower>),
}

/// One end.
pub struct Endpoint {
    role: Role,
    quiet: Quiet,
    session: Session,
    /// Bytes of control and body.
    plain: usize,
    /// Waits for cells of the schedule.
    outbox: Outbox,
    /// Background that waits for padding to end, or for keys.
    held: VecDeque<Vec<u8>>,
    /// Cells of background on their way.
    ready: VecDeque<Datagram>,
    inbox: Inbox,
    begun: VecDeque<Timestamp>,
    tally: Tally,
}

impl Endpoint {
    /// The end at the device's side, which decides.
    ///
    /// # Errors
    /// Cells out of range, a plan that cannot be followed, or keys that are none.
    pub fn leader(
        plan: Plan,
        mut chance: ChaCha8Rng,
        identity: Identity,
    ) -> Result<Self, EndpointError> {
        let (cell, quiet, now) = (plan.cell_bytes, plan.quiet, plan.origin);
        let shaper = Box::new(Shaper::new(plan, &mut chance)?);
        let role = Role::Leads(shaper, Box::new(chance));
        Self::new(role, true, cell, quiet, now, identity)
    }

    /// The end at the cloud's side.
    ///
    /// # Errors
    /// Cells out of range, or keys that are none.
    pub fn follower(follows: Follows, identity: Identity) -> Result<Self, EndpointError> {
        let (cell, quiet, now) = (follows.cell_bytes, follows.quiet, follows.origin);
        let role = Role::Follows(Box::new(Follower::new(follows)));
        Self::new(role, false, cell, quiet, now, identity)
    }

    fn new(
        role: Role,
        leads: bool,
        cell: u32,
        quiet: Quiet,
        now: Timestamp,
        identity: Identity,
    ) -> Result<Self, EndpointError> {
        if !CELLS.contains(&cell) {
            return Err(EndpointError::Cells(cell));
        }
        let size = (cell as usize).saturating_sub(OUTER_BYTES);
        Ok(Self {
            role,
            quiet,
            session: Session::new(identity, size, leads, now)?,
            plain: plain_bytes(size),
            outbox: Outbox::default(),
            held: VecDeque::new(),
            ready: VecDeque::new(),
            inbox: Inbox::default(),
            begun: VecDeque::new(),
            tally: Tally::default(),
        })
    }

    /// A genuine IP packet has come to this end. `activity`: of one that belongs to a user activity, until when that is known
    /// to last; `now` where nobody knows more.
    pub fn offer(
        &mut self,
        now: Timestamp,
        packet: Vec<u8>,
        activity: Option<Timestamp>,
    ) -> Offered {
        self.tally.offered = self.tally.offered.saturating_add(1);
        if length(&packet) != Length::Told(packet.len()) {
            self.tally.unfit = self.tally.unfit.saturating_add(1);
            return Offered::Unfit;
        }
        match self.admit(now, packet.len(), activity) {
            Admission::Queued => {
                self.outbox.push(packet);
                Offered::Taken
            }
            Admission::Through if self.held.len() < HELD_AT_MOST => {
                self.held.push_back(packet);
                Offered::Taken
            }
            Admission::Through | Admission::Refused => {
                self.tally.refused = self.tally.refused.saturating_add(1);
                Offered::Refused
            }
        }
    }

    fn admit(&mut self, now: Timestamp, bytes: usize, activity: Option<Timestamp>) -> Admission {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // What is held goes first: no packet overtakes another.
        let behind = !self.held.is_empty() && activity.is_none() && !self.is_padding();
        if behind && self.quiet == Quiet::Pass {
            return Admission::Through;
        }
        match &mut self.role {
            Role::Leads(shaper, chance) => {
                shaper.offer(now, Direction::Up, bytes, activity, 0, chance)
            }
            Role::Follows(follower) => follower.offer(now, bytes, activity),
        }
    }

    /// A datagram that is due by now; call until there is none.
    pub fn poll(&mut self, now: Timestamp) -> Option<Datagram> {
        if let Some(datagram) = self.ready.pop_front() {
            return Some(datagram);
        }
        let wants = self.session.wants(now);
        let keyed = self.session.is_up(now);
        let up = keyed && !wants;
        // Without keys padding goes on as if what waits were sent and lost on its way, which it would be: an end that cannot
        // be reached does not show. Outside padding it waits.
        let mute = match keyed {
            true => wants,
            false => !self.is_padding(),
        };
        if let Some((planned, genuine, padded)) = self.due(now, mute) {
            let (bytes, handshake) = self.cell(now, genuine);
            return Some(Datagram {
                planned,
                bytes,
                padded,
                genuine,
                handshake,
            });
        }
        if self.is_scheduled() {
            self.hand_over(now);
            return None;
        }
        if wants {
            let bytes = self.session.handshake(now)?;
            return Some(Datagram {
                planned: now,
                bytes,
                padded: false,
                genuine: 0,
                handshake: true,
            });
        }
        if up {
            self.pass(now);
        }
        if keyed && self.ready.is_empty() && self.session.is_unconfirmed() {
            let bytes = self.seal(now, None, Vec::new());
            return Some(Datagram {
                planned: now,
                bytes,
                padded: false,
                genuine: 0,
                handshake: false,
            });
        }
        self.ready.pop_front()
    }

    /// A cell of the schedule that is due: when it was to go, its genuine bytes, whether it is of padding.
    fn due(&mut self, now: Timestamp, mute: bool) -> Option<(Timestamp, u32, bool)> {
        match &mut self.role {
            Role::Leads(shaper, chance) => {
                shaper.mute(Direction::Up, mute);
                while let Some(output) = shaper.poll_live(now, chance) {
                    match output {
                        Output::Period(at) => self.begun.push_back(at),
                        Output::Cells {
                            at,
                            direction: Direction::Up,
                            genuine,
                            ..
                        } => return Some((at, genuine, shaper.is_padding())),
                        // The other end's, as it would be without delay.
                        Output::Cells { .. } => {}
                    }
                    while shaper.delivered().is_some() {}
                }
                None
            }
            Role::Follows(follower) => {
                follower.mute(mute);
                let due = follower.poll(now)?;
                Some((due.at, due.genuine, due.padded))
            }
        }
    }

    /// Background that was held until the end of padding, and padding went on: now there are cells for it.
    fn hand_over(&mut self, now: Timestamp) {
        while let Some(packet) = self.held.pop_front() {
            match self.admit(now, packet.len(), None) {
                Admission::Queued => self.outbox.push(packet),
                Admission::Through => {
                    self.held.push_front(packet);
                    return;
                }
                Admission::Refused => {
                    self.tally.refused = self.tally.refused.saturating_add(1);
                }
            }
        }
    }

    /// A background packet in cells of its own.
    fn pass(&mut self, now: Timestamp) {
        let Some(packet) = self.held.pop_front() else {
            return;
        };
        let room = self.plain.saturating_sub(CONTROL_BYTES).max(1);
        let mut first = Some(0);
        for part in packet.chunks(room) {
            let mut body = Vec::with_capacity(room);
            body.extend_from_slice(part);
            let bytes = self.seal(now, first.take(), body);
            self.ready.push_back(Datagram {
                planned: now,
                bytes,
                padded: false,
                genuine: u32::try_from(part.len()).unwrap_or(0),
                handshake: false,
            });
        }
    }

    /// What goes in a cell of the schedule, and whether that is a handshake.
    fn cell(&mut self, now: Timestamp, genuine: u32) -> (Vec<u8>, bool) {
        let mut body = Vec::with_capacity(self.plain);
        let first = self.outbox.take(genuine as usize, &mut body);
        match self.session.handshake(now) {
            // There is something genuine only where there are no keys: it is lost.
            Some(handshake) => (handshake, true),
            None => (self.seal(now, first, body), false),
        }
    }

    fn seal(&mut self, now: Timestamp, first: Option<usize>, body: Vec<u8>) -> Vec<u8> {
        let mut control = Control {
            first: first.and_then(|first| u16::try_from(first).ok()),
            length: u16::try_from(body.len()).unwrap_or(0),
            ..Control::default()
        };
        match &mut self.role {
            Role::Leads(shaper, _) => control.stretch = shaper.stretch().map(Into::into),
            Role::Follows(follower) => {
                let word = follower.word(now);
                control.waits = word.waits;
                control.until = word.until.map(|until| {
                    let steps = until.0.saturating_sub(now.0);
                    // Rounded up: towards zero where it is over already.
                    let steps = steps / STEP + i64::from(steps > 0 && steps % STEP != 0);
                    i32::try_from(steps).unwrap_or(if steps > 0 { i32::MAX } else { i32::MIN })
                });
            }
        }
        let mut plain = Vec::with_capacity(self.plain);
        plain.extend_from_slice(&control.encode());
        plain.extend_from_slice(&body);
        plain.resize(self.plain, 0);
        match self.session.seal(now, &plain) {
            Some(datagram) => datagram,
            None => self.session.noise_datagram(),
        }
    }

    /// A datagram has come from the other end, or from anybody: the genuine packets that are whole with it.
    pub fn receive(&mut self, now: Timestamp, datagram: &[u8]) -> Vec<Vec<u8>> {
        let Opened::Cell {
            counter,
            plain,
            anew,
        } = self.session.open(now, datagram)
        else {
            return Vec::new();
        };
        if anew {
            self.inbox.clear();
            if let Role::Follows(follower) = &mut self.role {
                follower.forget();
            }
        }
        let Some((control, body)) = plain.split_first_chunk::<CONTROL_BYTES>() else {
            return Vec::new();
        };
        let control = Control::decode(*control);
        match &mut self.role {
            Role::Leads(shaper, chance) => {
                let until = control.until.map(|steps| {
                    let off = i64::from(steps).saturating_mul(STEP);
                    Timestamp(now.0.saturating_add(off))
                });
                shaper.hear(now, until, control.waits, chance);
            }
            Role::Follows(follower) => {
                if let Some([number, elapsed, ahead]) = control.stretch {
                    follower.obey(now, number, elapsed, ahead);
                }
            }
        }
        let body = body.get(..usize::from(control.length)).unwrap_or_default();
        let packets = self
            .inbox
            .take(counter, control.first.map(usize::from), body);
        let count = u64::try_from(packets.len()).unwrap_or(0);
        self.tally.delivered = self.tally.delivered.saturating_add(count);
        packets
    }

    /// When to poll next; an instant in the past where something is due already, `None` where nothing will happen by itself.
    pub fn wake(&self) -> Option<Timestamp> {
        let role = match &self.role {
            Role::Leads(shaper, _) => shaper.wake(),
            Role::Follows(follower) => follower.wake(),
        };
        let now = Some(Timestamp(i64::MIN));
        if !self.ready.is_empty() {
            return now;
        }
        if self.is_scheduled() {
            return role;
        }
        // What is held without keys waits for the handshake.
        let waits = !self.held.is_empty() && self.session.counts().handshakes > 0;
        let pass = now.filter(|_| waits || self.session.is_unconfirmed());
        role.into_iter()
            .chain(pass)
            .chain(self.session.wants_at())
            .min()
    }

    /// Whether nothing genuine waits any more.
    pub fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.held.is_empty() && self.ready.is_empty()
    }

    /// Whether padding runs.
    pub fn is_padding(&self) -> bool {
        match &self.role {
            Role::Leads(shaper, _) => shaper.is_padding(),
            Role::Follows(follower) => follower.is_padding(),
        }
    }

    /// Whether all that goes now goes on schedule: padding runs, or quiet cells do.
    pub fn is_scheduled(&self) -> bool {
        self.is_padding() || self.quiet != Quiet::Pass
    }

    /// A period of padding that began; of the leader alone, in their order.
    pub fn period(&mut self) -> Option<Timestamp> {
        self.begun.pop_front()
    }

    /// Cells that were due and did not go, for their successors were due as well.
    pub fn missed(&self) -> u64 {
        match &self.role {
            Role::Leads(shaper, _) => shaper.missed(Direction::Up),
            Role::Follows(follower) => follower.missed(),
        }
    }

    /// What was counted of packets.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What was counted of datagrams and handshakes.
    pub fn counts(&self) -> Counts {
        self.session.counts()
    }

    /// The counter of the next cell: no two cells under the same keys have the same.
    pub fn counter(&self) -> u64 {
        self.session.counter()
    }

    /// Parts of packets that were given up, for the rest did not come.
    pub fn parts_lost(&self) -> u64 {
        self.inbox.lost()
    }
}
