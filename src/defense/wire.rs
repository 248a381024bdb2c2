//! What the defenses put on the wire and keep in their books: trains of packets, and delays.

use crate::threat::{Delay, Sighting};
use crate::units::{Direction, Timestamp};
use std::time::Duration;

/// Cells of shaped flows; equal ones at equal distances become one train.
#[derive(Debug, Default)]
pub(super) struct Trains {
    sightings: Vec<Sighting>,
    /// The latest train of each flow and direction.
    latest: Vec<[Option<usize>; 2]>,
}

impl Trains {
    /// Adds packets; those of one flow and direction come ascending in time. No packets add nothing.
    pub(super) fn add(&mut self, new: Sighting) {
        if new.count == 0 {
            return;
        }
        let flow = new.flow as usize;
        if self.latest.len() <= flow {
            self.latest.resize(flow + 1, [None; 2]);
        }
        let way = usize::from(new.direction == Direction::Down);
        let next = self.sightings.len();
        let Some(latest) = self.latest.get_mut(flow).and_then(|both| both.get_mut(way)) else {
            return;
        };
        let train = latest.and_then(|index| self.sightings.get_mut(index));
        if !train.is_some_and(|train| couple(train, new)) {
            *latest = Some(next);
            self.sightings.push(new);
        }
    }

    /// All trains, ascending by begin.
    pub(super) fn finish(mut self) -> Vec<Sighting> {
        self.sightings.sort_by_key(|sighting| sighting.at);
        self.sightings
    }
}

/// Hangs packets onto a train that they go on.
fn couple(train: &mut Sighting, new: Sighting) -> bool {
    let gap = new.at.0.saturating_sub(train.end().0);
    let every = match train.count {
        1 => gap,
        _ => train.every,
    };
    let goes_on = train.bytes == new.bytes
        && gap > 0
        && gap == every
        && (new.count == 1 || new.every == every);
    let count = train.count.checked_add(new.count);
    match count.filter(|_| goes_on) {
        Some(count) => {
            (train.count, train.every) = (count, every);
            true
        }
        None => false,
    }
}

/// Two lists ascending by begin as one, what is in `a` first of equals. From the last to the first, within the room of `a`:
/// what comes before all of `b` is not moved.
pub(super) fn merged(mut a: Vec<Sighting>, b: Vec<Sighting>) -> Vec<Sighting> {
    let mut left = a.len();
    a.extend_from_slice(&b);
    let mut free = a.len();
    for later in b.into_iter().rev() {
        while left > 0 && a.get(left - 1).is_some_and(|of| of.at > later.at) {
            (left, free) = (left - 1, free - 1);
            a.swap(left, free);
        }
        free -= 1;
        if let Some(place) = a.get_mut(free) {
            *place = later;
        }
    }
    a
}

/// Delays of genuine packets; those of none are only counted.
#[derive(Debug, Default)]
pub(super) struct Delays {
    prompt: usize,
    late: Vec<u64>,
}

impl Delays {
    /// So many packets that were not delayed.
    pub(super) fn prompt(&mut self, packets: usize) {
        self.prompt += packets;
    }

    /// A packet that came at one instant and passed at another.
    pub(super) fn passed(&mut self, since: Timestamp, at: Timestamp) {
        match u64::try_from(at.0.saturating_sub(since.0)) {
            Ok(late @ 1..) => self.late.push(late),
            _ => self.prompt += 1,
        }
    }

    /// As [`Delay::of`] tells them, by nearest rank.
    pub(super) fn finish(mut self) -> Delay {
        let all = self.prompt + self.late.len();
        // What is not below the last one told: shares ascend.
        let (mut rest, mut told) = (&mut self.late[..], self.prompt);
        let mut at = |share: f64| {
            let rank = ((share * all as f64).ceil() as usize).max(1);
            let among_late = rank.checked_sub(told + 1);
            match among_late.filter(|&index| index < rest.len()) {
                Some(index) => {
                    let late = *rest.select_nth_unstable(index).1;
                    rest = std::mem::take(&mut rest)
                        .get_mut(index..)
                        .unwrap_or_default();
                    told += index;
                    Duration::from_nanos(late)
                }
                None => Duration::ZERO,
            }
        };
        Delay {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(at: i64, count: u32, every: i64) -> Sighting {
        Sighting {
            count,
            every,
            ..Sighting::one(Timestamp(at), 0, Direction::Up, 100)
        }
    }

    #[test]
    fn equal_cells_at_equal_distances_are_one_train() {
        let mut trains = Trains::default();
        for part in [
            cells(0, 1, 0),
            cells(10, 1, 0),
            cells(20, 3, 10),
            cells(55, 1, 0),
            cells(60, 2, 5),
        ] {
            trains.add(part);
        }
        trains.add(Sighting {
            direction: Direction::Down,
            ..cells(50, 1, 0)
        });
        let trains = trains.finish();
        let told: Vec<_> = trains.iter().map(|t| (t.at.0, t.count, t.every)).collect();
        assert_eq!(told, [(0, 5, 10), (50, 1, 0), (55, 3, 5)]);
    }

    #[test]
    fn lists_are_merged_in_time() {
        let at = |all: &[i64]| all.iter().map(|&at| cells(at, 1, 0)).collect::<Vec<_>>();
        let all = merged(at(&[1, 4, 4, 9]), at(&[0, 4, 7]));
        let times: Vec<i64> = all.iter().map(|s| s.at.0).collect();
        assert_eq!(times, [0, 1, 4, 4, 4, 7, 9]);
    }

    #[test]
    fn delays_are_those_of_the_plain_way() {
        for (prompt, late) in [(0, 1..=200u64), (150, 1..=50), (3, 1..=1), (199, 5..=5)] {
            let mut delays = Delays::default();
            delays.prompt(prompt);
            let mut plain = vec![0; prompt];
            for ns in late {
                delays.passed(Timestamp(7), Timestamp(7 + ns as i64));
                plain.push(ns);
            }
            assert_eq!(delays.finish(), Delay::of(&mut plain));
        }
        assert_eq!(Delays::default().finish(), Delay::default());
    }
}
