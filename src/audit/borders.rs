//! Borders between folds of one wire: what lies close to one is asked, and never taught.
//!
//! Where lessons are other wires, a border needs no care: no question is asked of what was taught. Of a single wire neighbours
//! are cut apart there, and are alike: the periods of one run, the parts of one activity, two bursts of one evening whose last
//! hour is the same. To be taught one and asked about the other tests memory. So examples around borders are left out of all
//! lessons (M. Lopez de Prado, "Advances in Financial Machine Learning", 2018, section 7.4, who calls it purging and embargo): an
//! hour on each side, beyond which no count of the last ten minutes, or hour, reaches; of short windows a quarter of a block.
//! Counts of six hours and of a day reach farther, but change so little from hour to hour that they tell no moment from another.

use crate::adversary::blocks::Folds;
use crate::score::truth::meets;
use crate::trace::disjoint;
use crate::units::Span;
use std::time::Duration;

/// How far a border reaches at most, where nothing lasts longer.
const REACH: Duration = Duration::from_secs(3_600);

/// The surroundings of all borders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Borders {
    /// [`disjoint`].
    near: Vec<Span>,
    reach: Duration,
}

impl Borders {
    /// Between folds. What lasts across a border, as a run of padding or an activity among `lasting`, in any order, is near
    /// it from end to end, up to half a block on each side: of what never ends something must be left to learn from.
    pub fn between(folds: &Folds, lasting: &[Span]) -> Self {
        let length = folds.blocks.length();
        let reach = REACH.min(length / 4);
        let firsts = (1..folds.blocks.count())
            .filter(|&block| folds.of_block(block) != folds.of_block(block - 1));
        let around = firsts.map(|block| {
            let at = folds.blocks.begin(block);
            let across = lasting.iter().filter(|span| span.contains(at));
            let near = across.fold(Span::new(at - reach, at + reach), |near, span| {
                near.union(*span)
            });
            Span::new(
                near.start.max(at - length / 2),
                near.end.min(at + length / 2),
            )
        });
        Self {
            near: disjoint(around.collect()),
            reach,
        }
    }

    /// Whether a span is near one.
    pub fn near(&self, span: Span) -> bool {
        meets(&self.near, span)
    }

    /// How far they reach on each side at least.
    pub fn reach(&self) -> Duration {
        self.reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary::blocks::Blocks;
    use crate::units::Timestamp;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::new(minutes * 60, 0)
    }

    fn folds(hours: i64) -> Folds {
        Folds {
            blocks: Blocks::of(Span::new(at(0), at(hours * 60))),
            count: 4,
        }
    }

    #[test]
    fn borders_of_a_day_lie_between_quarters() {
        // Eighths of three hours, two a fold: borders at 6, 12 and 18 h, three quarters of an hour wide on each side.
        let borders = Borders::between(&folds(24), &[]);
        assert_eq!(borders.reach(), Duration::from_secs(45 * 60));
        let near = |minutes: i64| borders.near(Span::at(at(minutes)));
        for border in [360, 720, 1_080] {
            let around = [-46, -45, 0, 45, 46].map(|step| near(border + step));
            assert_eq!(around, [false, true, true, true, false], "{border}");
        }
        // Between eighths of one fold there is none, and none at the ends.
        assert_eq!(
            [near(0), near(180), near(540), near(1_440)],
            [false, false, false, false]
        );
        // What begins before one and ends within its reach is near it.
        assert!(borders.near(Span::new(at(300), at(320))));
        // Days: an hour.
        assert_eq!(
            Borders::between(&folds(96), &[]).reach(),
            Duration::from_secs(3_600)
        );
    }

    #[test]
    fn what_lasts_across_a_border_is_near_it_as_a_whole() {
        let lasting = [
            // Across the border at 6 h.
            Span::new(at(290), at(380)),
            // Up to the border at 12 h from long before, as padding that never ends: half a block is enough.
            Span::new(at(400), at(720)),
            // Near a border, not across.
            Span::new(at(1_090), at(1_200)),
        ];
        let borders = Borders::between(&folds(24), &lasting);
        let near = |minutes: i64| borders.near(Span::at(at(minutes)));
        assert_eq!(
            [near(289), near(290), near(405), near(406)],
            [false, true, true, false]
        );
        assert_eq!([near(629), near(630), near(765)], [false, true, true]);
        assert_eq!([near(1_125), near(1_126)], [true, false]);
    }
}
