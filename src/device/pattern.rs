//! Names as they are compared: in lower case, whole, perhaps against a pattern.

/// Longest name looked up; longer ones are no DNS names (RFC 1035, 255 bytes on the wire).
const LONGEST_NAME: usize = 255;

/// A name in lower case without its final dot; none where it cannot be one.
pub(super) fn normalise(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && name.len() <= LONGEST_NAME).then(|| name.to_ascii_lowercase())
}

/// Whether a pattern covers the whole of a text: `*` any run of bytes, `?` one. Time is bounded by the product of lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    // Most names fail on the end of most patterns: look there first.
    let end = pattern.rsplit(['*', '?']).next().unwrap_or_default();
    if !text.ends_with(end) {
        return false;
    }
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and the text it has swallowed up to: on a mismatch it swallows one byte more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&want) if want == b'?' || want == byte => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else {
                    return false;
                };
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_texts() {
        for (pattern, text, whole) in [
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*.x", ".x", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), whole, "{pattern} {text}");
        }
    }
}
