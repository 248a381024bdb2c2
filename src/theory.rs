//! The paper's equations (section 6.1): what stochastic traffic padding promises, in closed form.
//!
//! They are about the *grid* model: time is cut into periods of T with one draw each. Probabilities of the per-second model
//! (section 6.2) are other numbers and must not be put in here.

use crate::units::Probability;

/// Points at which the curve is looked at to find its knee.
const KNEE_POINTS: u32 = 10_000;

/// What the equations speak of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Periods {
    /// p: chance that a period has an activity.
    pub activity: Probability,
    /// R T: bytes of a padded period, both ways.
    pub padded_bytes: f64,
    /// D_A: mean bytes of a period with an activity before shaping.
    pub active_bytes: f64,
    /// D_notA: mean bytes of a period without.
    pub idle_bytes: f64,
}

/// c: share of padded periods that are genuine (equation 1); `None` where nothing is ever padded.
pub fn confidence(activity: Probability, padding: Probability) -> Option<f64> {
    let (p, q) = (activity.get(), padding.get());
    let padded = p + (1.0 - p) * q;
    (padded > 0.0).then(|| p / padded)
}

/// q for a wanted c: equation 1 solved, p (1-c) / (c (1-p)). `None` where no q gives it: c is beyond what q = 1 gives.
pub fn padding_for(activity: Probability, confidence: f64) -> Option<Probability> {
    let p = activity.get();
    if !(confidence > 0.0 && confidence <= 1.0) {
        return None;
    }
    if confidence == 1.0 {
        return Some(Probability::NEVER);
    }
    Probability::new(p * (1.0 - confidence) / (confidence * (1.0 - p)))
}

impl Periods {
    /// b: bytes with the defense over bytes without (equation 2); `None` where there are none without.
    pub fn overhead(&self, padding: Probability) -> Option<f64> {
        let (p, q) = (self.activity.get(), padding.get());
        let with = p * self.padded_bytes
            + (1.0 - p) * q * self.padded_bytes
            + (1.0 - p) * (1.0 - q) * self.idle_bytes;
        let without = p * self.active_bytes + (1.0 - p) * self.idle_bytes;
        (without > 0.0).then(|| with / without)
    }

    /// c / b (equation 3): what a byte of overhead buys. Falls with the square of q only where q is far above p / (1-p).
    pub fn worth(&self, padding: Probability) -> Option<f64> {
        Some(confidence(self.activity, padding)? / self.overhead(padding)?)
    }

    /// The q at which the curve of c / b over q bends most (section 6.1: "the point of maximum curvature in c/b"); `None`
    /// where there is no curve.
    pub fn knee(&self) -> Option<Probability> {
        knee_of(|padding| self.worth(padding))
    }
}

/// The q at which a curve over q bends most; `None` where it has no value somewhere.
pub fn knee_of(worth: impl Fn(Probability) -> Option<f64>) -> Option<Probability> {
    let step = 1.0 / f64::from(KNEE_POINTS);
    let at = |n: u32| worth(Probability::clamped(f64::from(n) * step));
    let mut best: Option<(f64, u32)> = None;
    for n in 1..KNEE_POINTS {
        let (before, here, after) = (at(n - 1)?, at(n)?, at(n + 1)?);
        let slope = (after - before) / (2.0 * step);
        let bend = (after - 2.0 * here + before) / (step * step);
        let curvature = bend.abs() / (1.0 + slope * slope).powf(1.5);
        if best.is_none_or(|(most, _)| curvature > most) {
            best = Some((curvature, n));
        }
    }
    best.map(|(_, n)| Probability::clamped(f64::from(n) * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chance(number: f64) -> Probability {
        Probability::new(number).unwrap()
    }

    /// Figure 4(a): R T = 1, D_A = 0.9, D_notA = 0.
    fn figure_4a(p: f64) -> Periods {
        Periods {
            activity: chance(p),
            padded_bytes: 1.0,
            active_bytes: 0.9,
            idle_bytes: 0.0,
        }
    }

    fn close(a: Option<f64>, b: f64) {
        let a = a.unwrap();
        assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} is not {b}");
    }

    #[test]
    fn equation_1_by_hand() {
        // .01 / (.01 + .99 * .01) = 1 / 1.99
        close(confidence(chance(0.01), chance(0.01)), 1.0 / 1.99);
        close(confidence(chance(0.3), Probability::NEVER), 1.0);
        close(confidence(chance(0.3), Probability::ALWAYS), 0.3);
        assert_eq!(confidence(Probability::NEVER, Probability::NEVER), None);
    }

    #[test]
    fn equation_2_by_hand() {
        let home = Periods {
            activity: chance(0.1),
            padded_bytes: 1000.0,
            active_bytes: 500.0,
            idle_bytes: 20.0,
        };
        // (.1*1000 + .9*.2*1000 + .9*.8*20) / (.1*500 + .9*20) = 294.4 / 68
        close(home.overhead(chance(0.2)), 294.4 / 68.0);
    }

    #[test]
    fn figure_4a_has_the_published_ends() {
        for (p, most) in [(0.01, 111.0), (0.1, 11.1)] {
            let home = figure_4a(p);
            close(home.overhead(Probability::NEVER), 1.0 / 0.9);
            close(home.overhead(Probability::ALWAYS), 1.0 / (0.9 * p));
            assert!((home.overhead(Probability::ALWAYS).unwrap() - most).abs() < 0.12);
            close(confidence(home.activity, Probability::ALWAYS), p);
        }
    }

    #[test]
    fn confidence_times_overhead_is_that_of_no_padding() {
        for p in [0.001, 0.01, 0.1, 0.5] {
            for n in 0..=100 {
                let (home, q) = (figure_4a(p), chance(f64::from(n) / 100.0));
                let product = confidence(home.activity, q).unwrap() * home.overhead(q).unwrap();
                close(Some(product), 1.0 / 0.9);
            }
        }
    }

    #[test]
    fn the_wanted_confidence_gives_its_padding_back() {
        for p in [0.001, 0.01, 0.1] {
            for n in 1..=100 {
                let q = chance(f64::from(n) / 100.0);
                let c = confidence(chance(p), q).unwrap();
                let back = padding_for(chance(p), c).unwrap();
                assert!((back.get() - q.get()).abs() < 1e-9);
            }
        }
        assert_eq!(padding_for(chance(0.3), 1.0), Some(Probability::NEVER));
        for beyond in [0.29, 0.0, -1.0, f64::NAN, 1.1] {
            assert_eq!(padding_for(chance(0.3), beyond), None, "{beyond}");
        }
    }

    #[test]
    fn the_knee_is_where_the_curve_bends_most() {
        // With D_notA = 0, c / b = c^2 / b0: f(q) = 0.9 (p / (p + (1-p) q))^2. A finer search by other means agrees.
        let home = figure_4a(0.1);
        let knee = home.knee().unwrap().get();
        let curvature = |q: f64| {
            let (p, a) = (0.1, 0.9 / 0.1);
            let u = 1.0 + a * q;
            let (slope, bend) = (-2.0 * 0.9 * a / u.powi(3), 6.0 * 0.9 * a * a / u.powi(4));
            assert!(p > 0.0);
            bend / (1.0 + slope * slope).powf(1.5)
        };
        let best = (1..100_000u32)
            .map(|n| f64::from(n) / 1e5)
            .max_by(|&x, &y| curvature(x).total_cmp(&curvature(y)));
        assert!((knee - best.unwrap()).abs() <= 2e-4, "{knee} {best:?}");
    }
}
