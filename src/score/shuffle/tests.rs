use super::*;
use crate::units::{Span, Timestamp};
use rand::SeedableRng;

/// A hundred periods, every tenth genuine.
fn periods() -> Vec<Marked> {
    let of = |n: i64| Marked {
        flow: 0,
        device: Some(0),
        span: Span::new(Timestamp(n * 100), Timestamp(n * 100 + 9)),
        genuine: n % 10 == 0,
        begun: n % 10 == 0,
        within: false,
        goes_on: false,
    };
    (0..100).map(of).collect()
}

fn claims(of: impl Fn(&Marked) -> bool) -> Vec<Guess> {
    let periods = periods().into_iter().filter(|period| of(period));
    let guess = |period: Marked| Guess {
        span: period.span,
        device: period.device,
        belief: 0.0,
    };
    periods.map(guess).collect()
}

fn lift(guesses: &[Guess]) -> Lift {
    let chance = &mut ChaCha8Rng::seed_from_u64(3);
    let rows = shuffle(guesses, &periods(), 1, 400, chance);
    assert_eq!(rows[0], rows[1]);
    rows[0].lift().unwrap()
}

#[test]
fn claiming_all_is_no_better_than_shuffled() {
    let of = lift(&claims(|_| true));
    assert_eq!(
        (of.confidence, of.lift, of.low, of.high),
        (0.1, 1.0, 1.0, 1.0)
    );
    assert!((of.chance - 0.1).abs() < 1e-12);
    assert!(of.dealt.iter().all(|dealt| (dealt - 1.0).abs() < 1e-12));
}

#[test]
fn claiming_half_of_them_blindly_has_lift_1_within_the_interval() {
    let of = lift(&claims(|period| period.span.start.0 / 100 % 20 < 10));
    assert!(of.low < 1.0 && 1.0 < of.high, "{of:?}");
    assert!((of.confidence - 0.1).abs() < 0.01);
}

#[test]
fn who_knows_is_seen() {
    // Ten claims, all right; shuffled, one in ten.
    let of = lift(&claims(|period| period.genuine));
    assert!((of.lift - 10.0).abs() < 1.0 && of.low > 2.0, "{of:?}");
}

#[test]
fn a_lift_lies_within_its_interval_however_few_are_the_claims() {
    // Two claims, one of them right. Dealt anew one in ten is genuine: most deals have neither right, a fifth one, few both.
    let of = lift(&claims(|period| {
        [100, 110].contains(&(period.span.start.0 / 10))
    }));
    assert!(of.low <= of.lift && of.lift <= of.high, "{of:?}");
    // 1 right over the mean of a fifth; of the unluckiest deals over half a claim that would be 2, less than the lift.
    assert!((of.lift - 5.0).abs() < 1.5 && of.high >= of.lift, "{of:?}");
    let [mean, low, high] = of.dealt;
    assert!(low <= mean && mean <= high, "{of:?}");
}

/// 5,000 runs, every fifth of two periods. One in ten first periods was begun by an activity, and so many of the second ones.
fn runs(gone_on: f64) -> Vec<Marked> {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut of = |from: i64, share: f64| {
        let begun = chance.gen_bool(share);
        Marked {
            flow: 0,
            device: Some(0),
            span: Span::new(Timestamp(from), Timestamp(from + 9)),
            genuine: begun,
            begun,
            within: false,
            goes_on: false,
        }
    };
    let mut periods = Vec::new();
    for n in 0..5_000 {
        let mut first = of(n * 100, 0.1);
        if n % 5 > 0 {
            periods.push(first);
            continue;
        }
        let second = Marked {
            goes_on: true,
            ..of(n * 100 + 10, gone_on)
        };
        // What ran on at its end was under the first as well.
        first.genuine |= second.begun;
        periods.extend([first, second]);
    }
    periods
}

fn long_runs(periods: &[Marked]) -> Lift {
    let long = periods.chunk_by(|a, b| a.span.end.0 + 1 == b.span.start.0);
    let claim = |run: &[Marked]| Guess {
        span: Span::new(run[0].span.start, run[1].span.end),
        device: Some(0),
        belief: 0.0,
    };
    let claims: Vec<Guess> = long.filter(|run| run.len() == 2).map(claim).collect();
    let chance = &mut ChaCha8Rng::seed_from_u64(3);
    shuffle(&claims, periods, 1, 400, chance)[0].lift().unwrap()
}

#[test]
fn run_lengths_tell_where_activities_alone_make_padding_go_on() {
    // One in ten causes is genuine, of first periods and of later ones alike.
    let of = long_runs(&runs(0.1));
    assert!(of.low < 1.0 && 1.0 < of.high, "{of:?}");
    // Nine in ten of the later ones.
    let of = long_runs(&runs(0.9));
    // .9 of them and more, where causes dealt alike leave nearly half.
    assert!(of.low > 1.4, "{of:?}");
}

#[test]
fn single_marks_make_as_many_right_as_can_be_worked_out() {
    // 1,000 claims of 2 periods each, of 6,000.
    let periods = runs(0.1);
    let (n, m) = (
        6_000.0f64,
        periods.iter().filter(|p| p.genuine).count() as f64,
    );
    let of = long_runs(&periods);
    let chance = 1.0 - (n - m) / n * (n - m - 1.0) / (n - 1.0);
    assert!((of.chance - chance).abs() < 1e-12, "{of:?}");
    let [dealt, low, high] = of.dealt;
    assert!(
        low < 1.0 && 1.0 < high && (dealt - 1.0).abs() < 0.02,
        "{of:?}"
    );
}

#[test]
fn nearly_all_marked_is_dealt_as_well() {
    for bare in [0, 1, 3] {
        let mut periods = periods();
        for (n, period) in periods.iter_mut().enumerate() {
            period.genuine = n >= bare;
            period.begun = period.genuine;
        }
        let claims = claims(|_| true);
        let chance = &mut ChaCha8Rng::seed_from_u64(3);
        let of = &shuffle(&claims, &periods, 1, 50, chance)[0];
        assert!(of.shuffled.iter().all(|&right| right == 100 - bare as u64));
        assert_eq!((of.shuffled.len(), of.singly.len(), of.trials), (40, 10, 1));
    }
}

#[test]
fn no_claims_or_no_marks_tell_nothing() {
    let chance = &mut ChaCha8Rng::seed_from_u64(3);
    assert_eq!(shuffle(&[], &periods(), 1, 9, chance)[0].lift(), None);
    let bare = shuffle(&claims(|_| true), &[], 1, 9, chance);
    assert_eq!((bare[0].claims, bare[0].lift()), (100, None));
}
