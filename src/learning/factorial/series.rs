//! What the model sees and learns from: the windows of a wire that have traffic, and which devices were in use in each.
//!
//! A month has 259,200 windows of ten seconds. Those without traffic are left out: who is in use sends, so that in them nobody
//! is, and a gap tells how many there were.

use crate::learning::examples::LearnError;

/// Windows of one lesson that are kept at most: four months of ten seconds each, 16 MB to 24 MB.
pub const STEPS_AT_MOST: usize = 1_000_000;

/// A window with traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which window it is.
    pub index: i64,
    /// Bytes up and down.
    pub bytes: [f64; 2],
}

/// Windows of a wire, with the truth beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    /// Ascending by index, each once.
    steps: Vec<Step>,
    /// The day, or other block, of each.
    groups: Vec<u32>,
    /// Places in `steps` and parts that were in use then, ascending.
    used: Vec<(u32, u32)>,
}

impl Lesson {
    /// Another window, after all others; what is beyond [`STEPS_AT_MOST`] is left out.
    pub fn push(&mut self, step: Step, group: u32) {
        let after = self.steps.last().is_none_or(|last| last.index < step.index);
        if after && self.steps.len() < STEPS_AT_MOST {
            self.steps.push(step);
            self.groups.push(group);
        }
    }

    /// A part was in use in the window that was pushed last, where it is that of this index.
    pub fn mark(&mut self, index: i64, part: u32) {
        let place = self.steps.len().wrapping_sub(1);
        let is_it = self.steps.last().is_some_and(|last| last.index == index);
        if let (true, Ok(place)) = (is_it, u32::try_from(place)) {
            self.used.push((place, part));
        }
    }

    /// The windows of the groups that are wanted, in order.
    pub fn steps(&self, wanted: &dyn Fn(u32) -> bool) -> Vec<Step> {
        self.each()
            .filter(|of| wanted(of.group))
            .map(|of| of.step)
            .collect()
    }

    /// Every window, with who was in use.
    pub fn each(&self) -> impl Iterator<Item = Window<'_>> {
        let mut rest = &self.used[..];
        let all = self.steps.iter().zip(&self.groups).enumerate();
        all.map(move |(place, (&step, &group))| {
            let here = rest.partition_point(|(of, _)| *of as usize <= place);
            let (used, after) = rest.split_at(here);
            rest = after;
            Window { step, group, used }
        })
    }

    /// Whether it can be learned from.
    ///
    /// # Errors
    /// Bytes that are no number, or less than none.
    pub fn check(&self) -> Result<(), LearnError> {
        for (row, step) in self.steps.iter().enumerate() {
            let strange = |bytes: &f64| !bytes.is_finite() || *bytes < 0.0;
            if let Some(column) = step.bytes.iter().position(strange) {
                return Err(LearnError::NotFinite { row, column });
            }
        }
        Ok(())
    }
}

/// A window of a lesson.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window<'a> {
    /// What is seen.
    pub step: Step,
    /// Its day.
    pub group: u32,
    /// Who was in use: (place of the window, part).
    pub used: &'a [(u32, u32)],
}

impl Window<'_> {
    /// Whether a part was in use.
    pub fn uses(&self, part: u32) -> bool {
        self.used.iter().any(|(_, of)| *of == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_know_who_was_in_use() {
        let mut lesson = Lesson::default();
        let step = |index| Step {
            index,
            bytes: [10.0, 20.0],
        };
        for (index, parts) in [(1, &[][..]), (2, &[0, 3]), (5, &[3])] {
            lesson.push(step(index), 7 + u32::from(index == 5));
            parts.iter().for_each(|&part| lesson.mark(index, part));
        }
        // Neither what comes before nor what is marked late is taken.
        lesson.push(step(4), 7);
        lesson.mark(4, 1);
        let found: Vec<Vec<u32>> = lesson
            .each()
            .map(|of| of.used.iter().map(|(_, part)| *part).collect())
            .collect();
        assert_eq!(found, [vec![], vec![0, 3], vec![3]]);
        let late = lesson.steps(&|group| group == 8);
        assert_eq!(late, [step(5)]);
        assert_eq!(lesson.check(), Ok(()));
        lesson.push(
            Step {
                index: 9,
                bytes: [1.0, f64::NAN],
            },
            8,
        );
        let strange = LearnError::NotFinite { row: 3, column: 1 };
        assert_eq!(lesson.check(), Err(strange));
    }
}
