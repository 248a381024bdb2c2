//! What somebody may have meant who typed an id that is not there.

/// Longest text compared: time grows with its square, and no id is longer.
const LONGEST: usize = 64;
/// Ids offered.
const OFFERED: usize = 3;

/// The ids most like `typed`, the most like first: those that hold it, then those that a few strokes turn into it.
pub fn nearest<'a>(typed: &str, ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_lowercase().replace([' ', '_'], "-");
    let typed: String = typed.chars().take(LONGEST).collect();
    let strokes_at_most = typed.len() / 3 + 1;
    let mut near: Vec<(bool, usize, &str)> = ids
        .map(|id| {
            let apart = typed.is_empty() || !id.contains(&typed);
            (apart, strokes(&typed, id), id)
        })
        // Where every letter is another one, nothing is alike.
        .filter(|(apart, strokes, _)| {
            !apart || *strokes <= strokes_at_most && *strokes < typed.len()
        })
        .collect();
    // Of those that do not hold it, only the nearest: three letters are but two strokes from any others.
    let least = near.iter().map(|(_, strokes, _)| *strokes).min();
    near.retain(|(apart, strokes, _)| !apart || Some(*strokes) == least);
    near.sort_unstable();
    near.truncate(OFFERED);
    near.into_iter().map(|(_, _, id)| id).collect()
}

/// Characters to insert, delete, change or swap with their neighbour to make one text the other (Levenshtein's distance with
/// Damerau's swaps, no part being touched twice).
fn strokes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // The row before, and the character it was of.
    let mut before: Option<(char, Vec<usize>)> = None;
    for (typed, character) in one.chars().enumerate() {
        let mut left = typed + 1;
        let mut next = vec![left];
        let mut previous = None;
        for (place, wanted) in other.iter().enumerate() {
            let at =
                |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
            left = (left + 1)
                .min(at(&row, place + 1) + 1)
                .min(at(&row, place) + usize::from(*wanted != character));
            if let (Some((last, row)), Some(previous)) = (&before, previous) {
                if *last == *wanted && previous == character {
                    left = left.min(at(row, place - 1) + 1);
                }
            }
            previous = Some(*wanted);
            next.push(left);
        }
        before = Some((character, std::mem::replace(&mut row, next)));
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 5] = [
        "belkin-wemo-switch",
        "google-nest-cam",
        "nest",
        "ring",
        "ring-doorbell",
    ];

    #[test]
    fn strokes_are_counted() {
        for (one, other, apart) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("nest", "nest", 0),
            ("vnp", "vpn", 1),
            ("lenght", "length", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!(strokes(one, other), apart, "{one} {other}");
        }
    }

    #[test]
    fn slips_and_parts_find_their_id() {
        let near = |typed: &str| nearest(typed, IDS.into_iter());
        assert_eq!(near("belkin-wemo-swich"), ["belkin-wemo-switch"]);
        assert_eq!(near("WeMo Switch"), ["belkin-wemo-switch"]);
        assert_eq!(near("nest"), ["nest", "google-nest-cam"]);
        assert_eq!(near("rng"), ["ring"]);
        assert_eq!(near("toaster"), [""; 0]);
        assert_eq!(near(""), [""; 0]);
        assert_eq!(near(&"x".repeat(1 << 20)), [""; 0]);
    }
}
