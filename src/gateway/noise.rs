//! One Noise handshake: its pattern, its chance, what its messages bear.
//!
//! Noise (T. Perrin, "The Noise Protocol Framework", revision 34), pattern KK: both static keys are known beforehand. A
//! message bears a timestamp and its end's counter, and zeros up to the size of a cell.

use super::keys::{Pair, Public};
use super::wire::{HEADER_BYTES, TAG_BYTES};
use crate::units::Timestamp;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

/// The protocol's name, as Noise writes it.
const PROTOCOL: &str = "Noise_KK_25519_ChaChaPoly_BLAKE2s";

/// What both ends must agree on besides keys; the size of a datagram and the number of the tunnel follow it.
const PROLOGUE: &[u8] = b"stp-audit gateway 2";

/// Bytes of a handshake message besides its payload: an ephemeral key and a tag.
const HANDSHAKE_BYTES: usize = 32 + TAG_BYTES;

/// Chance for one handshake's ephemeral key.
struct Drawn([u8; 32]);

impl Random for ChaCha {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

/// A generator as Noise wants one.
struct ChaCha(ChaCha8Rng);

impl CryptoResolver for Drawn {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(ChaCha(ChaCha8Rng::from_seed(self.0))))
    }
    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }
    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }
    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

/// An end's handshake. `of`: bytes of every datagram, and which of the tunnels between the two it is; `opens`: whether it sends the first message; `drawn`: chance for its
/// ephemeral key, used for no other. `None` where the library refuses a key.
pub(super) fn begin(
    own: &Pair,
    peer: Public,
    of: (usize, u32),
    opens: bool,
    drawn: [u8; 32],
) -> Option<HandshakeState> {
    let resolver = FallbackResolver::new(Box::new(Drawn(drawn)), Box::new(DefaultResolver));
    let size = u32::try_from(of.0).ok()?.to_be_bytes();
    let prologue = [PROLOGUE, &size, &of.1.to_be_bytes()].concat();
    let builder = Builder::with_resolver(PROTOCOL.parse().ok()?, Box::new(resolver))
        .local_private_key(own.private.bytes())
        .and_then(|builder| builder.remote_public_key(&peer.0))
        .and_then(|builder| builder.prologue(&prologue));
    let built = match opens {
        true => builder.and_then(Builder::build_initiator),
        false => builder.and_then(Builder::build_responder),
    };
    built.ok()
}

/// Timestamp, counter, and zeros up to the size of a cell.
pub(super) fn payload(now: Timestamp, counter: u64, size: usize) -> Vec<u8> {
    let mut payload = [now.0.to_be_bytes(), counter.to_be_bytes()].concat();
    payload.resize(size.saturating_sub(HEADER_BYTES + HANDSHAKE_BYTES), 0);
    payload
}

/// Timestamp and counter of a handshake's payload.
pub(super) fn told(payload: &[u8]) -> Option<(Timestamp, u64)> {
    let (at, rest) = payload.split_first_chunk()?;
    let base = rest.first_chunk()?;
    Some((
        Timestamp(i64::from_be_bytes(*at)),
        u64::from_be_bytes(*base),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fills_a_cell_and_tells_when_and_where_its_end_was() {
        let pair = |seed| Pair::generate(&mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let (a, b) = (pair(1), pair(2));
        let (now, size) = (Timestamp(1_700_000_000_123_456_789), 172);
        let mut opens = begin(&a, b.public, (size, 5), true, [3; 32]).unwrap();
        let mut answers = begin(&b, a.public, (size, 5), false, [4; 32]).unwrap();
        let mut message = vec![0; size];
        let bears = payload(now, 77, size);
        let written = opens.write_message(&bears, &mut message).unwrap();
        assert_eq!(written + HEADER_BYTES, size);
        let mut read = vec![0; size];
        let length = answers
            .read_message(&message[..written], &mut read)
            .unwrap();
        assert_eq!(told(&read[..length]), Some((now, 77)));
        // Ends that do not agree on the size of a cell have no session, nor have those of two tunnels.
        for of in [(180, 5), (size, 6)] {
            let mut other = begin(&b, a.public, of, false, [4; 32]).unwrap();
            assert!(other.read_message(&message[..written], &mut read).is_err());
        }
        assert_eq!(told(&[0; 15]), None);
    }
}
