use super::*;
use crate::stp::durations::DurationLaw;
use crate::stp::lane::Bounds;
use crate::units::{Probability, Rate};
use rand::SeedableRng;

const T: Duration = Duration::from_secs(10);

/// T of 10 s, cells of 160 bytes (room for 100) each second both ways.
fn plan(model: TimeModel, rule: ExtensionRule, q: f64) -> Plan {
    let draws = super::super::decision::Draws {
        model,
        chance: Probability::new(q).unwrap(),
        period: T,
        origin: Timestamp(0),
    };
    Plan {
        period: T,
        cell_bytes: 160,
        cadences: [Rate::new(160.0); 2].map(|rate| Cadence::constant(rate.unwrap(), T, 160)),
        model,
        rule,
        durations: DurationLaw::Empirical([3, 4, 25].map(Duration::from_secs).to_vec()),
        decision: super::super::bernoulli::make(draws, None),
        rates: RatePolicy::Fixed,
        origin: Timestamp(0),
        waiting_at_most: Bounds {
            packets: 1000,
            ..Bounds::NONE
        },
        quiet: Quiet::Pass,
    }
}

fn paper_without_cover() -> (Shaper, ChaCha8Rng) {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let plan = plan(TimeModel::PerSecond, ExtensionRule::Paper, 0.0);
    (Shaper::new(plan, &mut chance).unwrap(), chance)
}

fn at(seconds: f64) -> Timestamp {
    Timestamp((seconds * NANOS as f64) as i64)
}

/// All that is due by an instant: begins of periods, and cells as (second, upwards, count, genuine bytes).
type Told = (Vec<f64>, Vec<(f64, bool, u32, u32)>);

fn run(shaper: &mut Shaper, until: f64, chance: &mut ChaCha8Rng) -> Told {
    let mut told = Told::default();
    while let Some(output) = shaper.poll(at(until), at(until), chance) {
        match output {
            Output::Period(begin) => told.0.push(begin.as_secs_f64()),
            Output::Cells {
                at,
                direction,
                count,
                genuine,
                ..
            } => told
                .1
                .push((at.as_secs_f64(), direction == Direction::Up, count, genuine)),
        }
    }
    told
}

#[test]
fn the_first_byte_of_an_activity_begins_padding_at_once() {
    let (mut shaper, mut chance) = paper_without_cover();
    let mut offer = |shaper: &mut Shaper, second, bytes, until: Option<f64>, tag| {
        shaper.offer(
            at(second),
            Direction::Up,
            bytes,
            until.map(at),
            tag,
            &mut chance,
        )
    };
    assert_eq!(shaper.wake(), None);
    // Background passes as it is.
    assert_eq!(offer(&mut shaper, 1.0, 500, None, 0), Admission::Through);
    assert_eq!(
        offer(&mut shaper, 2.5, 150, Some(3.0), 1),
        Admission::Queued
    );
    // While padded, background is carried as well.
    assert_eq!(offer(&mut shaper, 2.5, 20, None, 2), Admission::Queued);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let (periods, cells) = run(&mut shaper, 4.0, &mut chance);
    assert_eq!(periods, [2.5]);
    // 150 bytes and 20 bytes: 100 in the first cell, 50 and 20 in the second; dummies come the other way.
    assert_eq!(
        cells,
        [(2.5, true, 1, 100), (2.5, false, 2, 0), (3.5, true, 1, 70)]
    );
    let done: Vec<(u32, i64)> = std::iter::from_fn(|| shaper.delivered())
        .map(|d| (d.tag, d.at.0 - d.since.0))
        .collect();
    assert_eq!(done, [(1, NANOS), (2, NANOS)]);
    // Eight more each way until 12.5 s, then silence.
    let (periods, cells) = run(&mut shaper, 99.0, &mut chance);
    assert_eq!((periods.len(), shaper.wake()), (0, None));
    assert_eq!(cells, [(4.5, true, 8, 0), (4.5, false, 8, 0)]);
}

#[test]
fn what_runs_or_waits_at_the_end_of_a_period_extends_it() {
    for (bytes, until, expected) in [
        (10, 9.9, vec![0.0]),
        // It lasts to the last instant of the first period, and the first of the second.
        (10, 10.0, vec![0.0, 10.0]),
        (10, 29.0, vec![0.0, 10.0, 20.0]),
        // Ten cells carry 1000 bytes a period.
        (1001, 1.0, vec![0.0, 10.0]),
    ] {
        let (mut shaper, mut chance) = paper_without_cover();
        let admission = shaper.offer(
            at(0.0),
            Direction::Down,
            bytes,
            Some(at(until)),
            0,
            &mut chance,
        );
        assert_eq!(admission, Admission::Queued);
        let (periods, cells) = run(&mut shaper, 99.0, &mut chance);
        assert_eq!(periods, expected);
        let carried: u32 = cells.iter().map(|cell| cell.3).sum();
        let packets: u32 = cells.iter().map(|cell| cell.2).sum();
        assert_eq!((carried, packets as usize), (bytes, 20 * expected.len()));
    }
}

#[test]
fn what_finds_no_cell_before_the_end_and_belongs_to_no_activity_passes_as_it_is() {
    let (mut shaper, mut chance) = paper_without_cover();
    let mut used = |shaper: &mut Shaper, second, until: Option<f64>| {
        run(shaper, second, &mut chance);
        let until = until.map(at);
        shaper.offer(at(second), Direction::Up, 90, until, 0, &mut chance)
    };
    assert_eq!(used(&mut shaper, 0.0, Some(1.0)), Admission::Queued);
    // The last cell went at 9 s. A beat in step with T would otherwise wait, extend padding, and be followed by the next.
    assert_eq!(used(&mut shaper, 9.5, None), Admission::Through);
    assert!(shaper.is_padding());
    assert_eq!(used(&mut shaper, 19.5, None), Admission::Through);
    assert!(!shaper.is_padding());
    // Of an activity it waits, and padding goes on for it.
    assert_eq!(used(&mut shaper, 20.0, Some(20.0)), Admission::Queued);
    assert_eq!(used(&mut shaper, 29.5, Some(29.5)), Admission::Queued);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let (periods, _) = run(&mut shaper, 99.0, &mut chance);
    assert_eq!(periods, [30.0]);
}

#[test]
fn on_the_grid_an_activity_waits_for_the_next_period() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let plan = plan(TimeModel::Grid, ExtensionRule::Phantom, 0.0);
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let mut offer = |second, activity: bool| {
        let until = activity.then(|| at(second + 1.0));
        shaper.offer(at(second), Direction::Up, 50, until, 0, &mut chance)
    };
    assert_eq!(offer(2.0, false), Admission::Through);
    assert_eq!(offer(3.0, true), Admission::Queued);
    // No overtaking.
    assert_eq!(offer(4.0, false), Admission::Queued);
    assert_eq!(shaper.wake(), Some(at(10.0)));
    let (periods, cells) = run(&mut shaper, 99.0, &mut chance);
    assert_eq!((periods, cells[0]), (vec![10.0], (10.0, true, 1, 100)));
    // One that begins right with a period does not wait.
    let mut offer = |second| {
        shaper.offer(
            at(second),
            Direction::Up,
            50,
            Some(at(second)),
            0,
            &mut chance,
        )
    };
    assert_eq!(offer(110.0), Admission::Queued);
    assert_eq!(run(&mut shaper, 110.0, &mut chance).0, [110.0]);
}

#[test]
fn padding_all_the_time_has_no_gaps() {
    for model in [TimeModel::PerSecond, TimeModel::Grid] {
        for rule in [ExtensionRule::Paper, ExtensionRule::Phantom] {
            let mut chance = ChaCha8Rng::seed_from_u64(9);
            let mut shaper = Shaper::new(plan(model, rule, 1.0), &mut chance).unwrap();
            let (periods, cells) = run(&mut shaper, 999.999, &mut chance);
            let expected: Vec<f64> = (0..100).map(|n| f64::from(n) * 10.0).collect();
            assert_eq!(periods, expected, "{model:?} {rule:?}");
            let packets: u32 = cells.iter().map(|cell| cell.2).sum();
            assert_eq!(packets, 2000, "{model:?} {rule:?}");
        }
    }
}

#[test]
fn the_schedule_does_not_depend_on_how_often_it_is_polled() {
    for model in [TimeModel::PerSecond, TimeModel::Grid] {
        for rule in [ExtensionRule::Paper, ExtensionRule::Phantom] {
            let schedule = |step: f64| {
                let mut chance = ChaCha8Rng::seed_from_u64(5);
                let mut shaper = Shaper::new(plan(model, rule, 0.05), &mut chance).unwrap();
                let (mut periods, mut instants) = (Vec::new(), Vec::new());
                let mut now = 0.0;
                while now < 20_000.0 {
                    now += step;
                    while let Some(output) = shaper.poll(at(now), at(now), &mut chance) {
                        match output {
                            Output::Period(begin) => periods.push(begin),
                            Output::Cells {
                                at,
                                direction,
                                count,
                                every,
                                ..
                            } => instants.extend(
                                (0..i64::from(count)).map(|n| (at.0 + n * every, direction)),
                            ),
                        }
                    }
                }
                instants.sort();
                (periods, instants)
            };
            let coarse = schedule(500.0);
            assert!(
                coarse.0.len() > 50,
                "{model:?} {rule:?}: {}",
                coarse.0.len()
            );
            assert_eq!(schedule(0.5), coarse, "{model:?} {rule:?}");
        }
    }
}

#[test]
fn a_rate_that_is_lowered_changes_between_stretches_alone() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut plan = plan(TimeModel::PerSecond, ExtensionRule::Paper, 0.0);
    plan.rates = RatePolicy::Lowering {
        start: [Rate::new(1600.0).unwrap(); 2],
        every: Duration::from_secs(60),
        factor: 0.5,
        margin: 1.0,
    };
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let mut packets = Vec::new();
    // Activities of 100 bytes in a second: the floor is 160 B/s, one cell a second.
    for second in [0.0, 70.0, 140.0, 900.0] {
        let admission = shaper.offer(
            at(second),
            Direction::Up,
            100,
            Some(at(second)),
            0,
            &mut chance,
        );
        assert_eq!(admission, Admission::Queued);
        let (_, cells) = run(&mut shaper, second + 20.0, &mut chance);
        packets.push(cells.iter().filter(|c| c.1).map(|c| c.2).sum::<u32>());
    }
    // 1600, 800 (70 s later), 400 (70 s later), then 2^-12 of it: the floor; in cells of 160 bytes for 10 s.
    assert_eq!(packets, [100, 50, 25, 10]);
}

#[test]
fn what_is_too_much_is_refused_and_plans_that_cannot_be_followed_too() {
    let (_, mut chance) = paper_without_cover();
    let of = |change: fn(&mut Plan)| {
        let mut plan = plan(TimeModel::PerSecond, ExtensionRule::Paper, 0.0);
        change(&mut plan);
        Shaper::new(plan, &mut ChaCha8Rng::seed_from_u64(1))
    };
    let mut shaper = of(|plan| plan.waiting_at_most.packets = 1).unwrap();
    let mut offer = || shaper.offer(at(0.0), Direction::Up, 50, Some(at(0.0)), 0, &mut chance);
    assert_eq!([offer(), offer()], [Admission::Queued, Admission::Refused]);
    assert_eq!(
        of(|plan| plan.period = Duration::ZERO).err(),
        Some(PlanError::Period(Duration::ZERO))
    );
    assert_eq!(
        of(|plan| plan.cell_bytes = 60).err(),
        Some(PlanError::Cells(60))
    );
    for (factor, margin) in [(0.0, 1.0), (1.1, 1.0), (f64::NAN, 1.0), (0.5, 0.9)] {
        let mut plan = plan(TimeModel::PerSecond, ExtensionRule::Paper, 0.0);
        plan.rates = RatePolicy::Lowering {
            start: [Rate::MOST; 2],
            every: T,
            factor,
            margin,
        };
        let error = Shaper::new(plan, &mut chance).err();
        assert!(
            matches!(error, Some(PlanError::Lowering { .. })),
            "{error:?}"
        );
    }
    for offsets in [vec![], vec![-1], vec![5, 3], vec![nanos(T)]] {
        let mut plan = plan(TimeModel::PerSecond, ExtensionRule::Paper, 0.0);
        plan.cadences[1] = Cadence::Replay { offsets };
        let error = Shaper::new(plan, &mut chance).err();
        assert_eq!(error, Some(PlanError::Cadence(T)));
    }
}

/// How many periods begin in the first so many seconds, where each ought to follow the one before at once.
fn without_a_gap(plan: Plan, seconds: f64) -> usize {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let period = plan.period.as_secs_f64();
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let (periods, _) = run(&mut shaper, seconds, &mut chance);
    for pair in periods.windows(2) {
        assert!((pair[1] - pair[0] - period).abs() < 1e-6, "{pair:?}");
    }
    periods.len()
}

#[test]
fn padding_all_the_time_has_no_gaps_however_short_cover_is() {
    // Cover of a tenth of a second, and ends of periods between two draws: at 1.5 s, 2.25 s, 300 ms.
    for period_ms in [300, 1_500, 2_250] {
        let period = Duration::from_millis(period_ms);
        let draws = crate::stp::decision::Draws {
            model: TimeModel::PerSecond,
            chance: Probability::ALWAYS,
            period,
            origin: Timestamp(0),
        };
        let learning = crate::stp::learning::make(crate::stp::hmm::make, true, draws, 20);
        for decision in [
            learning,
            crate::stp::bernoulli::make(draws, None),
            crate::stp::hourly::make(draws, None),
            crate::stp::hmm::make(draws, None),
        ] {
            let plan = Plan {
                period,
                durations: DurationLaw::Empirical(vec![Duration::from_millis(100)]),
                decision,
                ..plan(TimeModel::PerSecond, ExtensionRule::Phantom, 1.0)
            };
            let whole = Plan {
                cadences: [Rate::new(1600.0); 2]
                    .map(|rate| Cadence::constant(rate.unwrap(), period, 160)),
                ..plan
            };
            let found = without_a_gap(whole, 90.0);
            assert_eq!(found as u64, 90_000 / period_ms + 1);
        }
    }
}

/// A budget of periods of 10 s, with what is kept back until a minute of the day.
fn held(model: TimeModel, per_day: u64, needs: &[(i64, u64)]) -> Plan {
    let draws = crate::stp::decision::Draws {
        model,
        chance: Probability::NEVER,
        period: T,
        origin: Timestamp(0),
    };
    let needs = needs
        .iter()
        .map(|&(second, periods)| (at(second as f64), periods));
    let reserve = crate::stp::budget::Reserve::of(needs, Timestamp(0));
    Plan {
        decision: crate::stp::budget::make(draws, crate::habits::Hourly::EVEN, reserve, per_day),
        durations: DurationLaw::Empirical(vec![Duration::from_millis(100)]),
        ..plan(model, ExtensionRule::Phantom, 0.0)
    }
}

#[test]
fn the_days_number_is_held_up_to_the_last_minute() {
    for model in [TimeModel::PerSecond, TimeModel::Grid] {
        assert_eq!(counted(model), [80; 9], "{model:?}");
    }
}

/// Periods of nine days, of some of which the last minute is busy.
fn counted(model: TimeModel) -> [usize; 9] {
    const DAY: usize = 86_400;
    // On a known day 30 periods were needed from 23:59 on; of the days here, every third has them, and one has more.
    let used = |day: usize| [0, 30, 33][day % 3];
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let plan = held(model, 80, &[(86_340, 30)]);
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let mut counts = [0usize; 9];
    for day in 0..9 {
        let second = (day * DAY + 86_340) as f64;
        let mut all = run(&mut shaper, second, &mut chance).0;
        if used(day) > 0 {
            // Its traffic lasts for so many periods; past midnight they are the next day's.
            let until = at(second + used(day) as f64 * 10.0 - 0.5);
            let offered = shaper.offer(at(second), Direction::Up, 10, Some(until), 0, &mut chance);
            assert_eq!(offered, Admission::Queued);
        }
        all.extend(run(&mut shaper, ((day + 1) * DAY) as f64 + 600.0, &mut chance).0);
        for begin in all {
            if let Some(count) = counts.get_mut(begin as usize / DAY) {
                *count += 1;
            }
        }
    }
    counts
}

#[test]
fn a_stretch_says_no_more_than_the_days_number_has_left() {
    // Two a day: cover that would last 95 s, ten periods, is over after them, and the other end hears of no more.
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let plan = Plan {
        durations: DurationLaw::Empirical(vec![Duration::from_secs(95)]),
        ..held(TimeModel::PerSecond, 2, &[])
    };
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let begin = shaper.wake().unwrap();
    let (periods, _) = run(&mut shaper, begin.as_secs_f64() + 0.5, &mut chance);
    assert_eq!(periods.len(), 1);
    let told = shaper.stretch().unwrap();
    assert_eq!((told.elapsed, told.ahead), (0, 1));
    let (periods, _) = run(&mut shaper, begin.as_secs_f64() + 60.0, &mut chance);
    assert_eq!((periods.len(), shaper.stretch()), (1, None));
}

/// Counts the activities that are heard of.
struct Counts(std::sync::Arc<std::sync::atomic::AtomicU32>);

impl crate::stp::decision::Decision for Counts {
    fn next(&mut self, _: Timestamp, _: &mut ChaCha8Rng) -> Option<Timestamp> {
        None
    }

    fn heard(&mut self, _: Timestamp) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn an_activity_is_learned_from_once_at_whichever_end_it_begins() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let heard = std::sync::Arc::default();
    let plan = Plan {
        decision: Box::new(Counts(std::sync::Arc::clone(&heard))),
        ..plan(TimeModel::PerSecond, ExtensionRule::Phantom, 0.0)
    };
    let mut shaper = Shaper::new(plan, &mut chance).unwrap();
    let count = || heard.load(std::sync::atomic::Ordering::Relaxed);
    // At the far end, told with each of its cells; the device's answer is of the same one.
    for second in [5.0, 6.0, 7.0] {
        shaper.hear(at(second), Some(at(8.0)), false, &mut chance);
    }
    let answer = shaper.offer(at(7.5), Direction::Up, 10, Some(at(8.0)), 0, &mut chance);
    assert_eq!((answer, count()), (Admission::Queued, 1));
    // One that is over when it is heard of has nothing to pad, and is left alone.
    shaper.hear(at(50.0), Some(at(49.0)), false, &mut chance);
    assert_eq!(count(), 1);
    let own = shaper.offer(at(60.0), Direction::Up, 10, Some(at(60.0)), 0, &mut chance);
    shaper.hear(at(60.0), Some(at(60.5)), false, &mut chance);
    assert_eq!((own, count()), (Admission::Queued, 2));
}
