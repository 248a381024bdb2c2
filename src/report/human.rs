//! Numbers and instants as people read them, and text that cannot disturb a line.

use crate::units::Timestamp;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// Bytes in decimal units: `812 B`, `12.3 kB`, `0.1 MB`, `1.5 GB`.
///
/// Megabytes begin at a tenth, as traffic of a home is best compared in them.
pub fn bytes(bytes: u64) -> String {
    let value = bytes as f64;
    let (scaled, unit) = match bytes {
        0..=999 => return format!("{bytes} B"),
        1_000..=99_949 => (value / 1e3, "kB"),
        99_950..=999_949_999 => (value / 1e6, "MB"),
        999_950_000..=999_949_999_999 => (value / 1e9, "GB"),
        _ => (value / 1e12, "TB"),
    };
    format!("{scaled:.1} {unit}")
}

/// A count with its thousands apart: `418,122`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 home`, `3 devices`: a count with its noun, `s` added where it is not one.
pub fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// `1 activity`, `31 activities`.
pub fn activities(number: u64) -> String {
    let noun = if number == 1 {
        "activity"
    } else {
        "activities"
    };
    format!("{} {noun}", count(number))
}

/// A stretch of time: `12.3s`, `4m05s`, `2h04m`, `3d02h`; what is smaller is cut off.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds}.{}s", span.subsec_millis() / 100)
    } else if hours == 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if days == 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{days}d{:02}h", hours % 24)
    }
}

/// A parameter in seconds: `30 s`, `0.5 s`.
pub fn seconds(seconds: f64) -> String {
    match seconds.is_finite() {
        true => format!("{seconds} s"),
        false => MISSING.to_owned(),
    }
}

/// What stands where a number could not be computed.
pub const MISSING: &str = "-";

/// A number with `decimals` places; [`MISSING`] where it is infinite or no number at all.
pub fn decimals(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return MISSING.to_owned();
    }
    let text = format!("{number:.decimals$}");
    // `-0.0` says nothing but how it came about.
    match text.strip_prefix('-') {
        Some(rest) if !rest.contains(|digit| ('1'..='9').contains(&digit)) => rest.to_owned(),
        _ => text,
    }
}

/// A number of standard deviations, with one place at least and two at most: `3.0`, `2.75`.
pub fn sigma(number: f64) -> String {
    let text = decimals(number, 2);
    match text.strip_suffix('0') {
        Some(shorter) => shorter.to_owned(),
        None => text,
    }
}

/// A share in percent, `94.9 %`; `without` where there is none.
pub fn percent(share: Option<f64>, without: &str) -> String {
    match share.filter(|share| share.is_finite()) {
        Some(share) => format!("{} %", decimals(share * 100.0, 1)),
        None => without.to_owned(),
    }
}

/// An instant to the second, in UTC: `2018-03-01 19:04:05`.
pub fn instant(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((day, time)) => {
            let time = time.split(['.', 'Z']).next().unwrap_or(time);
            format!("{day} {time}")
        }
        None => text,
    }
}

/// An address with its port: `192.0.2.1:443`, `[2001:db8::1]:443`; the address alone where the port is 0.
pub fn endpoint(address: &str, port: u16) -> String {
    let address = line(address);
    match port {
        0 => address,
        _ if address.contains(':') => format!("[{address}]:{port}"),
        _ => format!("{address}:{port}"),
    }
}

/// Text with nothing in it that could break a line, repaint a terminal or turn the direction of reading.
///
/// Names from the wire come escaped; this is for what comes from elsewhere: paths, labels, remarks that quote them.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Control characters, line and paragraph separators, and the format characters that reorder or hide text
/// (Unicode Standard Annex 9, table 1, and the zero-width ones).
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The first `width` characters, with `...` in place of what was cut.
pub fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// Pieces side by side, as many on each line as `width` columns of a terminal hold; one that is wider has a line of its own.
pub fn set(pieces: &[&str], glue: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.width() + glue.width() + piece.width() <= width => {
                line.push_str(glue);
                line.push_str(piece);
            }
            _ => lines.push((*piece).to_owned()),
        }
    }
    lines
}

/// The first `most` of `items` joined by `glue`, then how many there are besides.
pub fn listed(items: &[String], most: usize, glue: &str) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(glue),
        more => format!("{} +{more} more", shown.join(glue)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_side_by_side_as_far_as_they_fit() {
        let set = |width| set(&["three", "家", "a", "longer"], "  ", width);
        assert_eq!(set(20), ["three  家  a  longer"]);
        assert_eq!(set(19), ["three  家  a", "longer"]);
        assert_eq!(set(8), ["three", "家  a", "longer"]);
        assert_eq!(set(0), ["three", "家", "a", "longer"]);
        assert_eq!(super::set(&[], " ", 9), [""; 0]);
    }

    #[test]
    fn bytes_wear_the_unit_that_suits_them() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (99_949, "99.9 kB"),
            (99_950, "0.1 MB"),
            (140_000, "0.1 MB"),
            (418_122_000, "418.1 MB"),
            (999_949_999, "999.9 MB"),
            (999_950_000, "1.0 GB"),
            (2_500_000_000_000, "2.5 TB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (418_122, "418,122"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "home"), "1 home");
        assert_eq!(counted(0, "home"), "0 homes");
        assert_eq!(counted(1_200, "flow"), "1,200 flows");
        assert_eq!(activities(1), "1 activity");
        assert_eq!(activities(31), "31 activities");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (seconds, text) in [
            (0.0, "0.0s"),
            (12.39, "12.3s"),
            (59.99, "59.9s"),
            (60.0, "1m00s"),
            (245.0, "4m05s"),
            (7_440.0, "2h04m"),
            (86_399.0, "23h59m"),
            (266_400.0, "3d02h"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn numbers_that_are_none_are_a_dash() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(decimals(number, 2), "-");
            assert_eq!(sigma(number), "-");
            assert_eq!(seconds(number), "-");
            assert_eq!(percent(Some(number), "no claims"), "no claims");
        }
        assert_eq!(percent(None, "no claims"), "no claims");
        assert_eq!(percent(Some(0.949), "no claims"), "94.9 %");
    }

    #[test]
    fn numbers_keep_few_places() {
        assert_eq!(sigma(3.0), "3.0");
        assert_eq!(sigma(2.75), "2.75");
        assert_eq!(decimals(-0.001, 2), "0.00");
        assert_eq!(decimals(-1.5, 1), "-1.5");
        assert_eq!(seconds(1.0), "1 s");
        assert_eq!(seconds(0.5), "0.5 s");
    }

    #[test]
    fn instants_are_cut_to_the_second() {
        assert_eq!(
            instant(Timestamp::new(1_700_000_000, 123_456_789)),
            "2023-11-14 22:13:20"
        );
        assert_eq!(instant(Timestamp::new(0, 0)), "1970-01-01 00:00:00");
        assert_eq!(instant(Timestamp(i64::MAX)), "2262-04-11 23:47:16");
    }

    #[test]
    fn ports_stand_apart_from_addresses() {
        assert_eq!(endpoint("192.0.2.1", 443), "192.0.2.1:443");
        assert_eq!(endpoint("2001:db8::1", 443), "[2001:db8::1]:443");
        assert_eq!(endpoint("2001:db8::1", 0), "2001:db8::1");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(line("plain ü 家"), "plain ü 家");
        assert_eq!(line("a\nb\x1b[31m"), "a\\u{a}b\\u{1b}[31m");
        assert_eq!(line("mac\u{202e}exe"), "mac\\u{202e}exe");
    }

    #[test]
    fn what_is_long_is_clipped_and_counted() {
        assert_eq!(clipped("abcdef", 6), "abcdef");
        assert_eq!(clipped("abcdefg", 6), "abc...");
        let items = ["a", "b", "c"].map(String::from);
        assert_eq!(listed(&items, 3, ", "), "a, b, c");
        assert_eq!(listed(&items, 2, ", "), "a, b +1 more");
    }
}
