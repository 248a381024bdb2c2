//! QUIC v1 as an onlooker sees it: Initial packets that anyone can read (RFC 9000 section 17.2.2, RFC 9001 section 5), then
//! noise.

use super::chance::Chance;
use super::tls::{self, Hello};
use ring::{aead, hkdf};

/// RFC 9001 section 5.2: the salt of version 1.
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// What a datagram with an Initial packet is filled up to.
const DATAGRAM: usize = 1200;
/// The length of the connection ids.
const ID: usize = 8;

/// The ids of a connection.
pub struct Ids {
    /// What the client calls the server in its first datagram.
    first: Vec<u8>,
    /// What the server calls the client.
    pub client: Vec<u8>,
    /// What the client calls the server from then on.
    pub server: Vec<u8>,
}

impl Ids {
    pub fn new(chance: &mut Chance) -> Self {
        Self {
            first: chance.bytes(ID),
            client: chance.bytes(ID),
            server: chance.bytes(ID),
        }
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1) without context.
fn expand(secret: &hkdf::Prk, label: &str, length: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let head = [0, length as u8, label.len() as u8];
    let info = [&head[..], label.as_bytes(), &[0]];
    let mut out = vec![0; length];
    let filled = secret.expand(&info, Length(length)).unwrap();
    filled.fill(&mut out).unwrap();
    out
}

/// A number of QUIC's variable length, in two bytes.
fn two(value: usize) -> [u8; 2] {
    (0x4000 | value as u16).to_be_bytes()
}

/// An Initial packet, number 0, around `frames`; `side` is "client in" or "server in".
fn initial(ids: &Ids, side: &str, [to, from]: [&[u8]; 2], frames: &[u8]) -> Vec<u8> {
    let mut head = vec![0xc3, 0, 0, 0, 1, to.len() as u8];
    head.extend(to);
    head.push(from.len() as u8);
    head.extend(from);
    head.push(0);
    // The length in two bytes, the packet number in four, the tag in sixteen.
    let plain_len = DATAGRAM - (head.len() + 2 + 4) - 16;
    head.extend(two(4 + plain_len + 16));
    let number_at = head.len();
    head.extend([0; 4]);
    let mut sealed = frames.to_vec();
    assert!(sealed.len() <= plain_len);
    sealed.resize(plain_len, 0);

    let common = hkdf::Salt::new(hkdf::HKDF_SHA256, &SALT).extract(&ids.first);
    let secret = expand(&common, side, 32);
    let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &secret);
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &expand(&secret, "quic key", 16)).unwrap();
    // Packet number 0: the nonce is the IV itself.
    let nonce = aead::Nonce::try_assume_unique_for_key(&expand(&secret, "quic iv", 12)).unwrap();
    aead::LessSafeKey::new(key)
        .seal_in_place_append_tag(nonce, aead::Aad::from(&head), &mut sealed)
        .unwrap();
    let mut datagram = head;
    datagram.extend(sealed);

    let hide = expand(&secret, "quic hp", 16);
    let hide = aead::quic::HeaderProtectionKey::new(&aead::quic::AES_128, &hide).unwrap();
    let mask = hide
        .new_mask(&datagram[number_at + 4..number_at + 20])
        .unwrap();
    datagram[0] ^= mask[0] & 0x0f;
    for (byte, mask) in datagram[number_at..].iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
    datagram
}

/// The client's first datagram, asking for `name`.
pub fn client_initial(chance: &mut Chance, ids: &Ids, name: &str) -> Vec<u8> {
    // quic_transport_parameters: max_idle_timeout 30 s, initial_max_data 1 MiB, initial_source_connection_id.
    let mut parameters = vec![0x01, 0x04, 0x80, 0x00, 0x75, 0x30];
    parameters.extend([0x04, 0x04, 0x80, 0x10, 0x00, 0x00, 0x0f, ID as u8]);
    parameters.extend(&ids.client);
    let mut more = [&[0, 0x39, 0, parameters.len() as u8][..], &parameters].concat();
    more.extend([0, 0x10, 0, 5, 0, 3, 2, b'h', b'3']);
    let hello = tls::client_hello(chance, name, Hello::Small, &more);
    let mut frames = vec![0x06, 0x00];
    frames.extend(two(hello.len()));
    frames.extend(hello);
    initial(ids, "client in", [&ids.first, &ids.client], &frames)
}

/// The server's: an acknowledgement and its hello.
pub fn server_initial(chance: &mut Chance, ids: &Ids) -> Vec<u8> {
    let hello = tls::server_hello(chance, &[]);
    let mut frames = vec![0x02, 0, 0, 0, 0, 0x06, 0x00];
    frames.extend(two(hello.len()));
    frames.extend(hello);
    initial(ids, "server in", [&ids.client, &ids.server], &frames)
}

/// What follows, all under cipher: a packet with a short header (RFC 9000 section 17.3.1) to the owner of `id`.
pub fn short(chance: &mut Chance, id: &[u8], length: usize) -> Vec<u8> {
    let first = 0x40 | (chance.bits() as u8 & 0x3f);
    [&[first][..], id, &chance.bytes(length)].concat()
}
