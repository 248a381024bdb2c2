//! TLS as an onlooker sees it (RFC 8446): two readable hellos, then records of noise.

use super::chance::Chance;

/// How a client words its hello.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hello {
    /// A small device: one key share; 200 to 250 bytes.
    Small,
    /// A browser with a post-quantum key share (X25519MLKEM768, 1,216 bytes): longer than one segment.
    Large,
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [
        &kind.to_be_bytes()[..],
        &(body.len() as u16).to_be_bytes(),
        body,
    ]
    .concat()
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// A handshake message: its type and body.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// The server_name extension.
pub fn server_name(name: &str) -> Vec<u8> {
    let entry = [&[0][..], &with_length(name.as_bytes())].concat();
    extension(0, &with_length(&entry))
}

/// A ClientHello's handshake message; `more` are extensions of its own (QUIC has one).
pub fn client_hello(chance: &mut Chance, name: &str, hello: Hello, more: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(chance.bytes(32));
    let session = chance.bytes(if more.is_empty() { 32 } else { 0 });
    body.push(session.len() as u8);
    body.extend(session);
    body.extend(with_length(&[
        0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x30,
    ]));
    body.extend([1, 0]);
    let mut extensions = server_name(name);
    extensions.extend(extension(0x0a, &with_length(&[0x00, 0x1d, 0x00, 0x17])));
    extensions.extend(extension(
        0x0d,
        &with_length(&[0x04, 0x03, 0x08, 0x04, 0x04, 0x01]),
    ));
    extensions.extend(extension(0x2b, &[2, 3, 4]));
    let mut shares = Vec::new();
    if hello == Hello::Large {
        shares.extend([0x11, 0xec]);
        shares.extend(with_length(&chance.bytes(1216)));
    }
    shares.extend([0x00, 0x1d]);
    shares.extend(with_length(&chance.bytes(32)));
    extensions.extend(extension(0x33, &with_length(&shares)));
    extensions.extend(more);
    body.extend(with_length(&extensions));
    handshake(1, &body)
}

/// A record around handshake messages, as a client's first one is.
pub fn hello_record(message: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &with_length(message)].concat()
}

/// A ServerHello's handshake message; `session` is the session id it echoes.
pub fn server_hello(chance: &mut Chance, session: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(chance.bytes(32));
    body.push(session.len() as u8);
    body.extend(session);
    body.extend([0x13, 0x01, 0]);
    let mut extensions = extension(0x2b, &[3, 4]);
    let share = [&[0x00, 0x1d][..], &with_length(&chance.bytes(32))].concat();
    extensions.extend(extension(0x33, &share));
    body.extend(with_length(&extensions));
    handshake(2, &body)
}

/// ServerHello, change cipher spec, and the certificates under cipher.
pub fn server_flight(chance: &mut Chance, certificates: usize) -> Vec<u8> {
    let session = chance.bytes(32);
    let message = server_hello(chance, &session);
    let mut flight = [&[22, 3, 3][..], &with_length(&message)].concat();
    flight.extend([20, 3, 3, 0, 1, 1]);
    flight.extend(record(chance, certificates));
    flight
}

/// The client's last word of the handshake.
pub fn client_finished(chance: &mut Chance) -> Vec<u8> {
    [&[20, 3, 3, 0, 1, 1][..], &record(chance, 53)].concat()
}

/// Records of `count` bytes of ciphertext.
pub fn record(chance: &mut Chance, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 16);
    let mut left = count;
    while left > 0 {
        let part = left.min(16_384);
        bytes.extend([23, 3, 3]);
        bytes.extend((part as u16).to_be_bytes());
        bytes.extend(chance.bytes(part));
        left -= part;
    }
    bytes
}
