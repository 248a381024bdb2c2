//! Names from the wire, made fit to compare and to print.
//!
//! A DNS name, a server name, a Host header or a DHCP host name is whatever bytes somebody chose to send: it may hold a
//! line break that forges a row of a report, an escape sequence that repaints a terminal, or a right-to-left override
//! that makes `exe.cam` read as `mac.exe`. Every name leaves this floor as text in which none of these is left, in one
//! form, so that two names are the same exactly when their texts are.
//!
//! The escapes are those tshark prints: `\n` and its like, three octal digits for other control bytes, `\u202E` for
//! format characters. Where tshark would lose something we do not: a backslash is doubled, so that no name can feign an
//! escape; bytes that are no UTF-8 are octal digits and not U+FFFD; blanks other than the space, private-use and
//! unassigned characters are escaped as well.

use std::borrow::Cow;
use std::fmt::Write;

/// Longest server or host name taken seriously, in bytes.
///
/// DNS ends names at 255 bytes (RFC 1035, section 2.3.4); twice that leaves room for names that were never meant for
/// DNS, and keeps a table of names small whatever is sent.
pub const LONGEST: usize = 512;

/// A name in canonical form: ASCII letters in lower case, no dot at the end, escaped. `None` where nothing is left of it
/// or it is longer than [`LONGEST`].
pub fn canonical(bytes: &[u8]) -> Option<Box<str>> {
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    if bytes.is_empty() || bytes.len() > LONGEST {
        return None;
    }
    let mut text = String::with_capacity(bytes.len());
    push_canonical(&mut text, bytes);
    Some(text.into_boxed_str())
}

/// Appends a name given by its labels, the root without any being `.`.
///
/// Every DNS message passes here several times, so names of plain letters, which is nearly all, are put together on the
/// stack and appended at once.
pub fn push_labels<'a>(text: &mut String, labels: impl Iterator<Item = &'a [u8]> + Clone) {
    let mut buffer = [0u8; 256];
    let mut length = 0;
    let mut plain = true;
    for label in labels.clone() {
        if length > 0 {
            if let Some(dot) = buffer.get_mut(length) {
                *dot = b'.';
            }
            length += 1;
        }
        let Some(room) = buffer.get_mut(length..length + label.len()) else {
            plain = false;
            break;
        };
        for (place, &byte) in room.iter_mut().zip(label) {
            *place = byte.to_ascii_lowercase();
            plain &= is_plain(byte);
        }
        length += label.len();
    }
    if plain {
        if let Ok(name) = std::str::from_utf8(buffer.get(..length).unwrap_or_default()) {
            text.push_str(if name.is_empty() { "." } else { name });
            return;
        }
    }
    for (place, label) in labels.enumerate() {
        if place > 0 {
            text.push('.');
        }
        push_canonical(text, label);
    }
}

/// Appends one label, or a whole dotted name, to `text` in lower case and escaped.
pub fn push_canonical(text: &mut String, bytes: &[u8]) {
    let from = text.len();
    push_escaped(text, bytes);
    // What was appended starts at a character of its own, so the slice is always there. Escapes are made lower case
    // only in part: their digits may be letters, and `\u202E` must stay what tshark prints.
    if let Some(new) = text.get_mut(from..) {
        if new.contains('\\') {
            lower_outside_escapes(text, from);
        } else {
            new.make_ascii_lowercase();
        }
    }
}

/// Text safe to print, for bytes that are not a name: borrowed where nothing had to change.
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(|&byte| is_plain(byte)) => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len() + 8);
            push_escaped(&mut text, bytes);
            Cow::Owned(text)
        }
    }
}

/// Whether a byte stands for itself: printable ASCII but for the backslash.
fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) && byte != b'\\'
}

fn push_escaped(text: &mut String, bytes: &[u8]) {
    if bytes.iter().all(|&byte| is_plain(byte)) {
        if let Ok(plain) = std::str::from_utf8(bytes) {
            text.push_str(plain);
            return;
        }
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_character(text, character);
        }
        for &byte in chunk.invalid() {
            push_octal(text, byte);
        }
    }
}

fn push_character(text: &mut String, character: char) {
    let short = match character {
        '\\' => "\\\\",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\x0b' => "\\v",
        '\x0c' => "\\f",
        '\r' => "\\r",
        _ => "",
    };
    if !short.is_empty() {
        text.push_str(short);
    } else if character.is_ascii_control() {
        push_octal(text, character as u8);
    } else if is_readable(character) {
        text.push(character);
    } else {
        let code = u32::from(character);
        // Writing to a String cannot fail.
        let _ = match code {
            0..=0xffff => write!(text, "\\u{code:04X}"),
            _ => write!(text, "\\U{code:08X}"),
        };
    }
}

fn push_octal(text: &mut String, byte: u8) {
    let _ = write!(text, "\\{byte:03o}");
}

/// Whether a character other than an ASCII control can be shown: letters, marks, digits, signs; no control, format (bidi among them),
/// private-use or unassigned character, no line separator, no blank.
///
/// The standard library keeps that table for `Debug`, where it also escapes a mark that begins a string; an `a` before it
/// gives the mark something to stand on.
fn is_readable(character: char) -> bool {
    if character.is_ascii() {
        return true;
    }
    let mut buffer = [0u8; 5];
    let (base, rest) = buffer.split_at_mut(1);
    base[0] = b'a';
    let length = 1 + character.encode_utf8(rest).len();
    std::str::from_utf8(&buffer[..length])
        .is_ok_and(|pair| pair.escape_debug().skip(1).eq(std::iter::once(character)))
}

/// Lowers the ASCII letters of `text` from byte `from` on, but for those of an escape.
fn lower_outside_escapes(text: &mut String, from: usize) {
    let tail = text.split_off(from);
    let mut rest = tail.chars();
    while let Some(character) = rest.next() {
        text.push(character.to_ascii_lowercase());
        if character != '\\' {
            continue;
        }
        let Some(kind) = rest.next() else { break };
        text.push(kind);
        let digits = match kind {
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        text.extend(rest.by_ref().take(digits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(bytes: &[u8]) -> String {
        canonical(bytes).map_or_else(String::new, String::from)
    }

    #[test]
    fn names_are_lowered_and_lose_their_last_dot() {
        assert_eq!(name(b"WWW.Nest.COM."), "www.nest.com");
        assert_eq!(name(b"."), "");
        assert_eq!(name(&[b'a'; LONGEST + 1]), "");
        assert_eq!(name(&[b'a'; LONGEST]).len(), LONGEST);
    }

    /// What tshark 4.0.17 printed for the same bytes as a DNS question.
    #[test]
    fn escapes_are_those_of_tshark() {
        assert_eq!(
            name(&(0..16).collect::<Vec<_>>()),
            r"\000\001\002\003\004\005\006\a\b\t\n\v\f\r\016\017"
        );
        assert_eq!(name(b"\x1b[31m\x7f"), r"\033[31m\177");
        assert_eq!(name(b" !\"#$%&'()*+,-./"), " !\"#$%&'()*+,-./");
        assert_eq!(name("a\u{202E}b".as_bytes()), r"a\u202Eb");
        assert_eq!(name("a\u{200B}b".as_bytes()), r"a\u200Bb");
        assert_eq!(name("\u{85}x\u{AD}y".as_bytes()), r"\u0085x\u00ADy");
        assert_eq!(name("日本 \u{1F600}".as_bytes()), "日本 \u{1F600}");
        assert_eq!(name("été".as_bytes()), "été");
        assert_eq!(
            name("e\u{301}".as_bytes()),
            "e\u{301}",
            "a letter and its accent"
        );
    }

    /// Where tshark prints a bare backslash, U+FFFD, or the character itself.
    #[test]
    fn what_tshark_would_blur_stays_distinct() {
        assert_eq!(name(br"\n"), r"\\n");
        assert_eq!(name(b"\xff\xed\xa0\x80"), r"\377\355\240\200");
        assert_eq!(
            name("x\u{A0}y\u{E000}\u{2028}".as_bytes()),
            r"x\u00A0y\uE000\u2028"
        );
        assert_eq!(name("\u{E0001}".as_bytes()), r"\U000E0001");
    }

    #[test]
    fn lowering_spares_the_digits_of_an_escape() {
        assert_eq!(name("ABC\u{202E}DEF\\UX".as_bytes()), r"abc\u202Edef\\ux");
    }

    #[test]
    fn labels_are_joined_whatever_they_hold() {
        let joined = |labels: &[&[u8]]| {
            let mut text = String::from("x");
            push_labels(&mut text, labels.iter().copied());
            text
        };
        assert_eq!(joined(&[]), "x.");
        assert_eq!(joined(&[b"WWW", b"Nest", b"com"]), "xwww.nest.com");
        assert_eq!(joined(&[b"A\nB", b"Nest"]), r"xa\nb.nest");
        let long = [&[b'A'; 63][..]; 5];
        assert_eq!(
            joined(&long),
            format!("x{}", ["a".repeat(63).as_str(); 5].join("."))
        );
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(
            escape(b"Living Room"),
            Cow::Borrowed("Living Room")
        ));
        assert_eq!(escape(b"a\nB"), r"a\nB");
    }

    /// Undoes the escapes: what a reader of a report could do by hand.
    fn unescape(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            if character != '\\' {
                bytes.extend(character.to_string().bytes());
                continue;
            }
            let kind = rest.next().unwrap();
            let mut hexadecimal = |digits: usize| {
                let code: String = rest.by_ref().take(digits).collect();
                char::from_u32(u32::from_str_radix(&code, 16).unwrap())
                    .unwrap()
                    .to_string()
                    .into_bytes()
            };
            match kind {
                '\\' => bytes.push(b'\\'),
                'a' => bytes.push(7),
                'b' => bytes.push(8),
                't' => bytes.push(9),
                'n' => bytes.push(10),
                'v' => bytes.push(11),
                'f' => bytes.push(12),
                'r' => bytes.push(13),
                'u' => bytes.extend(hexadecimal(4)),
                'U' => bytes.extend(hexadecimal(8)),
                digit => {
                    let octal: String = std::iter::once(digit)
                        .chain(rest.by_ref().take(2))
                        .collect();
                    bytes.push(u8::from_str_radix(&octal, 8).unwrap());
                }
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn escaping_loses_nothing_and_leaves_nothing_to_fear(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), words in ".{0,24}"
        ) {
            for bytes in [&bytes[..], words.as_bytes()] {
                let text = escape(bytes);
                prop_assert_eq!(unescape(&text), bytes);
                prop_assert!(text.chars().all(|c| c == ' ' || !c.is_control() && !c.is_whitespace()));
                let lower = bytes.to_ascii_lowercase();
                let mut canonical = String::new();
                push_canonical(&mut canonical, bytes);
                prop_assert_eq!(unescape(&canonical), lower);
            }
        }
    }
}
