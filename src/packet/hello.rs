//! The server name of a TLS ClientHello, whichever way the hello travelled: in TCP records or in QUIC CRYPTO frames.
//!
//! RFC 8446, section 4.1.2 (ClientHello); RFC 6066, section 3 (`server_name`). Read with the tls-parser crate.

use tls_parser::{SNIType, TlsExtension};

use crate::packet::name;

/// Largest handshake message taken for a ClientHello, its 4-byte header included, in bytes.
///
/// Hellos seen in the wild are 200 to 2,000 bytes, post-quantum key shares included; the format would allow 16 MiB, which
/// nobody may make us hold.
pub const LARGEST: usize = 16 * 1024;

/// What is known of a client's hello so far. Everything but [`Progress::NeedMore`] is final: ask no more about the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing decided: bytes are missing.
    NeedMore,
    /// The name of the server the client asks for, in canonical form.
    Name(Box<str>),
    /// A whole hello that names no server.
    NoName,
    /// These bytes are no client's hello.
    NotHello,
    /// A hello, or what might have become one, was left unread.
    GaveUp(Why),
}

/// Why a hello was left unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Why {
    /// It does not fit [`LARGEST`].
    #[error("ClientHello longer than 16 KiB")]
    TooLong,
    /// The same bytes of the stream were sent twice and differ, so that two readers may see two names.
    #[error("overlapping segments that disagree")]
    Conflict,
    /// Too many pieces with gaps between them.
    #[error("ClientHello in too many scattered pieces")]
    Scattered,
    /// The stream began before the capture did.
    #[error("stream joined after its ClientHello")]
    MidStream,
    /// The stream went on and its beginning never came.
    #[error("ClientHello missing from the capture")]
    Lost,
    /// Its lengths contradict each other.
    #[error("malformed ClientHello")]
    Malformed,
}

/// Reads the handshake layer of a stream, from its first byte on.
pub fn read(handshake: &[u8]) -> Progress {
    match whole(handshake) {
        Ok(Some(body)) => server_name(body),
        Ok(None) => Progress::NeedMore,
        Err(other) => other,
    }
}

/// How many bytes at least are missing until [`read`] can decide; 0 where it can.
pub fn missing(handshake: &[u8]) -> usize {
    match whole(handshake) {
        Ok(None) => match handshake {
            [_, high, middle, low, ..] => 4 + length(*high, *middle, *low) - handshake.len(),
            _ => 4 - handshake.len(),
        },
        Ok(Some(_)) | Err(_) => 0,
    }
}

/// The body of a ClientHello where all of it is there, `None` where bytes are missing.
fn whole(handshake: &[u8]) -> Result<Option<&[u8]>, Progress> {
    match handshake {
        [1, high, middle, low, body @ ..] => {
            let length = length(*high, *middle, *low);
            if length + 4 > LARGEST {
                return Err(Progress::GaveUp(Why::TooLong));
            }
            Ok(body.get(..length))
        }
        [] | [1, ..] => Ok(None),
        _ => Err(Progress::NotHello),
    }
}

/// The 24-bit length of a handshake message.
fn length(high: u8, middle: u8, low: u8) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// Reads the body of a ClientHello: what follows the handshake header.
fn server_name(body: &[u8]) -> Progress {
    let Ok((rest, hello)) = tls_parser::parse_tls_handshake_client_hello(body) else {
        return Progress::GaveUp(Why::Malformed);
    };
    let Some(extensions) = hello.ext else {
        // No extensions at all is a hello of old; bytes that are no list of extensions are not.
        return if rest.is_empty() {
            Progress::NoName
        } else {
            Progress::GaveUp(Why::Malformed)
        };
    };
    match server_name_extension(extensions) {
        Ok(Some(bytes)) => {
            name::canonical(bytes).map_or(Progress::GaveUp(Why::Malformed), Progress::Name)
        }
        Ok(None) => Progress::NoName,
        Err(why) => Progress::GaveUp(why),
    }
}

/// The first host name of the `server_name` extension; `None` without one.
///
/// The list is walked here and only that extension handed to tls-parser, whose own list allocates for each.
fn server_name_extension(mut list: &[u8]) -> Result<Option<&[u8]>, Why> {
    while let [kind_high, kind_low, high, low, rest @ ..] = list {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let content = rest.get(..length).ok_or(Why::Malformed)?;
        if [*kind_high, *kind_low] == [0, 0] {
            let Ok((_, TlsExtension::SNI(names))) =
                tls_parser::parse_tls_extension_sni_content(content)
            else {
                return Err(Why::Malformed);
            };
            let host = names.iter().find(|(kind, _)| *kind == SNIType::HostName);
            return match host {
                Some((_, bytes)) if !bytes.is_empty() => Ok(Some(bytes)),
                Some(_) => Ok(None),
                // An entry that runs over the list's end leaves the list empty.
                None if content.len() > 2 => Err(Why::Malformed),
                None => Ok(None),
            };
        }
        list = rest.get(length..).unwrap_or_default();
    }
    Ok(None)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ClientHello handshake message with one cipher suite and the given extensions.
    pub(crate) fn client_hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]); // random
        body.push(0); // session id
        body.extend([0, 2, 0x13, 0x01]); // cipher suites: TLS_AES_128_GCM_SHA256
        body.extend([1, 0]); // compression: none
        let list: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                let length = content.len() as u16;
                [&kind.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
            })
            .collect();
        body.extend((list.len() as u16).to_be_bytes());
        body.extend(list);
        let mut message = vec![1];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        message
    }

    /// The content of a `server_name` extension with one host name.
    pub(crate) fn server_name_of(name: &[u8]) -> (u16, Vec<u8>) {
        let length = name.len() as u16;
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(0);
        content.extend(length.to_be_bytes());
        content.extend(name);
        (0, content)
    }

    /// A hello for `name`, padded by an extension of `padding` bytes in front (RFC 7685).
    pub(crate) fn hello_for(name: &[u8], padding: usize) -> Vec<u8> {
        client_hello(&[(21, vec![0; padding]), server_name_of(name)])
    }

    fn named(name: &str) -> Progress {
        Progress::Name(name.into())
    }

    #[test]
    fn the_server_name_is_found_behind_other_extensions() {
        assert_eq!(
            read(&hello_for(b"Nexus.Dropcam.com", 300)),
            named("nexus.dropcam.com")
        );
        assert_eq!(read(&client_hello(&[(21, vec![0; 9])])), Progress::NoName);
        assert_eq!(read(&client_hello(&[])), Progress::NoName);
    }

    #[test]
    fn a_hello_without_extensions_names_nobody() {
        let mut hello = client_hello(&[]);
        hello.truncate(hello.len() - 2);
        hello[3] -= 2;
        assert_eq!(read(&hello), Progress::NoName);
    }

    #[test]
    fn every_cut_needs_more() {
        let hello = hello_for(b"example.com", 0);
        for length in 0..hello.len() {
            assert_eq!(read(&hello[..length]), Progress::NeedMore, "{length} bytes");
            let known = if length < 4 { 4 } else { hello.len() };
            assert_eq!(missing(&hello[..length]), known - length);
        }
        assert_eq!(missing(&hello), 0);
        assert_eq!(read(&hello), named("example.com"));
    }

    #[test]
    fn lengths_that_contradict_each_other_give_no_name() {
        let malformed = Progress::GaveUp(Why::Malformed);
        // The entry is longer than the list, the list longer than the extension, the extension longer than the hello.
        for (at, value) in [(4, 0xea), (1, 0x40)] {
            let (kind, mut content) = server_name_of(b"example.com");
            content[at] = value;
            assert_eq!(read(&client_hello(&[(kind, content)])), malformed);
        }
        let mut hello = hello_for(b"example.com", 0);
        let extension_length = hello.len() - 17;
        hello[extension_length] = 0xff;
        assert_eq!(read(&hello), malformed);
        assert_eq!(
            read(&client_hello(&[server_name_of(b"")])),
            Progress::NoName
        );
    }

    #[test]
    fn sixteen_mebibytes_are_not_waited_for() {
        assert_eq!(read(&[1, 0xff, 0xff, 0xff]), Progress::GaveUp(Why::TooLong));
        assert_eq!(read(&[2, 0, 0, 70, 3, 3]), Progress::NotHello);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            read(&bytes);
            let mut hello = vec![1, 0, (bytes.len() >> 8) as u8, bytes.len() as u8];
            hello.extend(&bytes);
            read(&hello);
        }

        #[test]
        fn damaged_hellos_are_survived(at in 0usize..100, value in any::<u8>()) {
            let mut hello = hello_for(b"example.com", 10);
            if let Some(byte) = hello.get_mut(at) {
                *byte = value;
            }
            read(&hello);
        }
    }
}
