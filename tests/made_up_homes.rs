//! Laws of homes that are made up, and of the curve over them, whatever chance brings.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stp_audit::model::{generate, DeviceModel, HomeModel};
use stp_audit::sweep::{parse_list, run, Rule, Sweep};
use stp_audit::units::{Direction, Probability};

fn home() -> impl Strategy<Value = HomeModel> {
    (0..HomeModel::all().len()).prop_map(|index| HomeModel::all().swap_remove(index))
}

fn chance() -> impl Strategy<Value = Probability> {
    let often = prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0, 0.0..=0.01];
    often.prop_map(|chance| Probability::new(chance).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_generated_trace_is_a_trace(home in home(), seconds in 1u64..20_000, seed: u64) {
        let trace = generate(&home, seconds, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(trace.devices.len(), home.devices.len());
        prop_assert!(trace.seconds() >= seconds as f64);
        if !trace.packets.is_empty() {
            prop_assert_eq!(trace.clone().checked().unwrap(), trace.clone());
        }
        let network: ipnet::IpNet = stp_audit::model::home::HOME_NETWORK.parse().unwrap();
        prop_assert!(trace.flows.iter().all(|flow| network.contains(&flow.local.address)));
    }

    /// What a device learned from its own life does is what it did: bytes, lengths and labels come back.
    #[test]
    fn a_model_learned_from_a_life_replays_it(seed: u64, which in 0usize..3) {
        let model = DeviceModel::published().swap_remove(which);
        let home = HomeModel::single_device();
        let home = HomeModel { devices: Vec::new(), ..home }
            .with(model.clone(), Probability::new(0.01).unwrap());
        let trace = generate(&home, 5_000, &mut ChaCha8Rng::seed_from_u64(seed));
        let learned = DeviceModel::of_trace(&trace, 0).unwrap();
        prop_assert_eq!(learned.activities.len(), trace.activities.len());
        let mut bytes = 0;
        for activity in &learned.activities {
            prop_assert!(model.activities.contains(activity));
            prop_assert!(activity.duration < learned.period);
            for (way, rate) in [(Direction::Up, learned.rate_up), (Direction::Down, learned.rate_down)] {
                prop_assert!(activity.peak_bytes_per_s(way) as f64 <= rate.bytes_per_s());
            }
            bytes += activity.bytes();
        }
        // Without background, all traffic is of activities.
        prop_assert_eq!(bytes, trace.bytes());
        prop_assert_eq!(&learned.server, &model.server);
    }

    #[test]
    fn points_keep_within_their_bounds(p in chance(), q in chance(), seed: u64, phantom: bool) {
        let sweep = Sweep {
            devices: DeviceModel::published(),
            p: vec![p],
            q: vec![q],
            trials: 3,
            seconds: 500,
            seed,
            jobs: Some(1),
            rule: if phantom { Rule::Phantom } else { Rule::Paper },
        };
        for (point, model) in run(&sweep, &|_, _| ()).unwrap().points.iter().zip(&sweep.devices) {
            if let Some(c) = point.confidence {
                prop_assert!(0.0 <= c.low && c.low <= c.value && c.value <= c.high && c.high <= 1.0);
                // Without cover all padding is genuine; without activities none.
                prop_assert!(q.get() > 0.0 || c.value == 1.0);
                prop_assert!(p.get() > 0.0 || c.value == 0.0);
            }
            // Padding carries all that is genuine: R T is above the bytes of any activity.
            let longest = model.activities.iter().map(|a| a.bytes()).max().unwrap();
            prop_assert!(model.padded_bytes() > longest as f64);
            if let Some(b) = point.overhead {
                prop_assert!(b.value > 1.0, "{:?}", point);
            }
        }
    }

    #[test]
    fn what_a_list_holds_lies_within_its_ends(first in -100i32..100, count in 0u32..200, hundredths in 1u32..300) {
        let step = f64::from(hundredths) / 100.0;
        let last = f64::from(first) + f64::from(count) * step;
        let values = parse_list(&format!("{first}..{last}:{step}")).unwrap();
        prop_assert_eq!(values.len() as u32, count + 1);
        prop_assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!((values[count as usize] - last).abs() < 1e-9);
    }
}
