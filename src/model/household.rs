//! People with habits: when those who live in a made-up home do what they do, day by day.
//!
//! Synthetic: invented, and no statistics of real people. Nights are quiet, mornings and evenings busy, and working days have
//! nobody at home from nine to five. Weekends are later and less regular. Clothes are washed on two evenings and on weekends:
//! the washer speaks up when a cycle begins and every [`CYCLE`] after, the dryer follows within minutes of its end. And some
//! days, mostly weekends, everybody is away, for a day or several. So devices are used in bursts and after one another, a week
//! has a shape, and days differ: all that a coin for every second knows nothing of.
//!
//! Hours are those of UTC.

use crate::units::{Timestamp, NANOS};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// From one message of the washer to the next.
pub const CYCLE: Duration = Duration::from_secs(40 * 60);
/// Messages of a wash.
pub const MESSAGES: u32 = 3;
/// From one message of the dryer to the next.
const DRYING: f64 = 60.0;
const DAY_S: i64 = 86_400;
/// 1970-01-01 was a Thursday; Mondays are 0.
const FIRST_WEEKDAY: i64 = 3;
/// Chance that a stay away begins on a working day, on a Saturday, and that it goes on for another day.
const LEAVES: (f64, f64) = (0.02, 0.3);
const STAYS_AWAY: f64 = 0.55;

/// What part a device has in people's lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// The front door: whoever leaves or returns.
    Door,
    /// A camera before it: as the door, and whoever comes by, also while nobody is at home.
    Doorbell,
    /// Somebody passes through the hall.
    Hall,
    /// Light where people eat.
    Kitchen,
    /// Light where they sit in the evening.
    LivingRoom,
    /// Coffee, mornings.
    Coffee,
    /// Tea, at any time somebody is up and at home.
    Kettle,
    /// A speaker that is talked to, several times in a row.
    Speaker,
    /// What the television hangs on.
    Television,
    /// Clothes.
    Washer,
    /// Clothes, after the washer.
    Dryer,
    /// A sleep monitor: bedtime and morning.
    Bed,
}

/// What happens on a day, in minutes since its midnight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    /// Nobody is at home.
    pub away: bool,
    wakes: f64,
    sleeps: f64,
    /// Everybody out, from and to; in order.
    out: Vec<(f64, f64)>,
    /// When washes begin.
    washes: Vec<f64>,
}

/// How many minutes after midnight an event is, spread around a time.
fn around(minutes: f64, spread: f64, chance: &mut ChaCha8Rng) -> f64 {
    // The sum of three is near enough to a bell, and has an end.
    let sum: f64 = (0..3).map(|_| chance.gen::<f64>() - 0.5).sum();
    minutes + spread * 2.0 * sum
}

impl Day {
    /// The days from a midnight on, so many of them.
    pub fn days(midnight: Timestamp, count: u32, chance: &mut ChaCha8Rng) -> Vec<Self> {
        let first = midnight.0.div_euclid(DAY_S * NANOS);
        let mut away = false;
        (0..i64::from(count))
            .map(|n| {
                // Each day has a stream of its own: what a day takes moves no other.
                let mut own = ChaCha8Rng::seed_from_u64(chance.next_u64());
                let weekday = (first + n + FIRST_WEEKDAY).rem_euclid(7);
                let leaves = if weekday == 5 { LEAVES.1 } else { LEAVES.0 };
                away = own.gen_bool(if away { STAYS_AWAY } else { leaves });
                Self::lived(weekday, away, &mut own)
            })
            .collect()
    }

    fn lived(weekday: i64, away: bool, chance: &mut ChaCha8Rng) -> Self {
        let works = weekday < 5;
        let mut at = |minutes: f64, spread: f64| around(minutes, spread, chance);
        let mut day = Self {
            away,
            ..Self::default()
        };
        if works {
            (day.wakes, day.sleeps) = (at(6.5 * 60.0, 15.0), at(22.75 * 60.0, 25.0));
            day.out.push((at(8.25 * 60.0, 12.0), at(17.5 * 60.0, 30.0)));
        } else {
            (day.wakes, day.sleeps) = (at(8.5 * 60.0, 45.0), at(23.25 * 60.0, 25.0));
            let leaves = at(11.5 * 60.0, 60.0);
            day.out.push((leaves, leaves + at(110.0, 40.0)));
        }
        // Tuesday and Thursday evenings, Saturdays twice, Sundays once.
        day.washes = match weekday {
            1 | 3 => vec![at(18.5 * 60.0, 15.0)],
            5 => vec![at(9.75 * 60.0, 20.0), at(14.5 * 60.0, 20.0)],
            6 => vec![at(15.0 * 60.0, 45.0)],
            _ => Vec::new(),
        };
        day
    }

    /// When somebody is up and at home.
    fn at_home(&self) -> Vec<(f64, f64)> {
        let mut free = vec![];
        let mut from = self.wakes;
        for &(leaves, returns) in &self.out {
            free.push((from, leaves));
            from = returns;
        }
        free.push((from, self.sleeps));
        free
    }

    /// When a device with that part is used on this day, in minutes since midnight; not in order.
    fn uses(&self, habit: Habit, chance: &mut ChaCha8Rng) -> Vec<f64> {
        let mut uses = Vec::new();
        if habit == Habit::Doorbell {
            // The post, and parcels.
            uses.push(around(10.5 * 60.0, 30.0, chance));
            uses.extend(
                chance
                    .gen_bool(0.4)
                    .then(|| around(14.0 * 60.0, 90.0, chance)),
            );
        }
        if self.away {
            return uses;
        }
        // At times of one's own, so many an hour, in an interval.
        let now_and_then = |from: f64, to: f64, each_hour: f64, chance: &mut ChaCha8Rng| {
            let mut at = from;
            let mut uses = Vec::new();
            loop {
                at -= (1.0 - chance.gen::<f64>()).ln() * 60.0 / each_hour;
                if at >= to {
                    return uses;
                }
                uses.push(at);
            }
        };
        let evening = self
            .out
            .last()
            .map_or(self.wakes, |out| out.1)
            .max(17.0 * 60.0);
        match habit {
            Habit::Door | Habit::Doorbell => {
                for &(leaves, returns) in &self.out {
                    uses.extend([leaves, returns]);
                }
            }
            Habit::Hall => {
                uses.push(self.wakes + 2.0);
                for &(leaves, returns) in &self.out {
                    uses.extend([leaves - 1.0, returns + 1.0]);
                }
                for (from, to) in self.at_home() {
                    uses.extend(now_and_then(from, to, 2.5, chance));
                }
                uses.push(self.sleeps - 5.0);
            }
            Habit::Kitchen => {
                uses.extend([self.wakes + 5.0, self.wakes + around(50.0, 5.0, chance)]);
                let dinner = evening + around(50.0, 15.0, chance);
                uses.extend([dinner, dinner + around(60.0, 10.0, chance)]);
            }
            Habit::LivingRoom => {
                let begins = evening + around(110.0, 20.0, chance);
                uses.extend([begins, self.sleeps - around(12.0, 4.0, chance)]);
            }
            Habit::Coffee => {
                uses.push(self.wakes + around(12.0, 4.0, chance));
                uses.extend(
                    chance
                        .gen_bool(0.5)
                        .then(|| self.wakes + around(45.0, 8.0, chance)),
                );
            }
            Habit::Kettle => {
                for (from, to) in self.at_home() {
                    uses.extend(now_and_then(from, to, 0.35, chance));
                }
            }
            Habit::Speaker => {
                for (from, to) in self.at_home() {
                    for begins in now_and_then(from, to, 0.5, chance) {
                        // A question seldom comes alone.
                        let mut at = begins;
                        uses.push(at);
                        while chance.gen_bool(0.65) {
                            at += 0.3 + chance.gen::<f64>() * 1.5;
                            uses.push(at);
                        }
                    }
                }
            }
            Habit::Television => {
                if chance.gen_bool(0.85) {
                    let begins = evening + around(115.0, 20.0, chance);
                    uses.extend([begins, self.sleeps - around(20.0, 5.0, chance)]);
                }
            }
            Habit::Washer | Habit::Dryer => {
                for &begins in &self.washes {
                    let cycle = CYCLE.as_secs_f64() / 60.0;
                    let washed = begins + cycle * f64::from(MESSAGES - 1);
                    match habit {
                        Habit::Washer => {
                            uses.extend((0..MESSAGES).map(|n| begins + cycle * f64::from(n)));
                        }
                        _ => {
                            let dries = washed + 4.0 + chance.gen::<f64>() * 6.0;
                            uses.extend([dries, dries + DRYING]);
                        }
                    }
                }
            }
            Habit::Bed => uses.extend([self.wakes, self.sleeps]),
        }
        uses
    }
}

/// When a device with that part is used on these days, the first of which begins at `midnight`; ascending.
pub fn begins(
    habit: Habit,
    days: &[Day],
    midnight: Timestamp,
    chance: &mut ChaCha8Rng,
) -> Vec<Timestamp> {
    let mut begins: Vec<Timestamp> = Vec::new();
    for (day, n) in days.iter().zip(0i64..) {
        let mut own = ChaCha8Rng::seed_from_u64(chance.next_u64());
        let uses = day.uses(habit, &mut own).into_iter();
        begins.extend(uses.map(|minutes| {
            let within = (minutes * 60.0 * NANOS as f64) as i64;
            Timestamp(
                midnight
                    .0
                    .saturating_add(n.saturating_mul(DAY_S * NANOS))
                    .saturating_add(within),
            )
        }));
    }
    begins.sort_unstable();
    begins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::generate::BEGIN;

    fn days(count: u32) -> Vec<Day> {
        Day::days(BEGIN, count, &mut ChaCha8Rng::seed_from_u64(1))
    }

    fn of(habit: Habit, days: &[Day]) -> Vec<Timestamp> {
        begins(habit, days, BEGIN, &mut ChaCha8Rng::seed_from_u64(2))
    }

    /// Minutes since midnight.
    fn minute(at: Timestamp) -> i64 {
        at.0.rem_euclid(DAY_S * NANOS) / (60 * NANOS)
    }

    #[test]
    fn mornings_and_evenings_are_busy_and_working_days_empty() {
        let days = days(140);
        let hall = of(Habit::Hall, &days);
        let within = |from: i64, to: i64| {
            let here = hall
                .iter()
                .filter(|&&at| (from * 60..to * 60).contains(&minute(at)));
            here.count() as f64 / (to - from) as f64
        };
        let (night, morning, noon, evening) =
            (within(1, 5), within(6, 8), within(13, 16), within(18, 22));
        assert!(
            night == 0.0 && morning > 1.5 * noon && evening > 1.5 * noon,
            "{night} {morning} {noon} {evening}"
        );
        // 2020-01-01 was a Wednesday: the fourth and fifth day are a weekend, later up.
        let coffee = |day: i64| {
            of(Habit::Coffee, &days)
                .into_iter()
                .find(|at| (at.0 - BEGIN.0) / (DAY_S * NANOS) == day)
        };
        let weekend = (0..20)
            .map(|week| week * 7 + 3)
            .filter_map(coffee)
            .map(minute);
        let working = (0..20).map(|week| week * 7).filter_map(coffee).map(minute);
        let mean = |of: Vec<i64>| of.iter().sum::<i64>() as f64 / of.len() as f64;
        let (weekend, working) = (mean(weekend.collect()), mean(working.collect()));
        assert!(
            (weekend - 522.0).abs() < 40.0 && (working - 402.0).abs() < 20.0,
            "{weekend} {working}"
        );
    }

    #[test]
    fn a_wash_has_its_rhythm_and_the_dryer_follows() {
        let days = days(140);
        let (washer, dryer) = (of(Habit::Washer, &days), of(Habit::Dryer, &days));
        assert!(
            washer.len() > 150 && washer.len() % 3 == 0,
            "{}",
            washer.len()
        );
        for (wash, dry) in washer.chunks(3).zip(dryer.chunks(2)) {
            let gap = |of: &[Timestamp], place: usize| of[place + 1].since(of[place]).as_secs_f64();
            assert!((gap(wash, 0) - 2400.0).abs() < 1e-3 && (gap(wash, 1) - 2400.0).abs() < 1e-3);
            assert!((240.0..600.0).contains(&dry[0].since(wash[2]).as_secs_f64()));
            assert!((gap(dry, 0) - 3600.0).abs() < 1e-3);
        }
    }

    #[test]
    fn on_days_away_only_the_doorbell_sees_somebody() {
        let days = days(140);
        let away: Vec<i64> = (0..)
            .zip(&days)
            .filter(|(_, day)| day.away)
            .map(|(n, _)| n)
            .collect();
        assert!((10..45).contains(&away.len()), "{away:?}");
        let days_of = |habit| {
            of(habit, &days)
                .into_iter()
                .map(|at| (at.0 - BEGIN.0).div_euclid(DAY_S * NANOS))
        };
        for habit in [Habit::Door, Habit::Hall, Habit::Speaker, Habit::Bed] {
            // What lasts past midnight is of the day before.
            assert!(days_of(habit).all(|day| !away.contains(&day) || !away.contains(&(day - 1))));
        }
        assert!(away
            .iter()
            .all(|day| days_of(Habit::Doorbell).any(|other| other == *day)));
    }
}
