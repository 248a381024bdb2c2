//! Arbitrary bytes as a DNS message and as a TCP segment of them: nothing panics, names are safe to print, and a message
//! used again tells what a fresh one does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stp_audit::packet::dns::{self, Message, MOST_RECORDS};

fn check(message: &Message) {
    let names = message.questions().map(|(name, _)| name);
    let owners = message.addresses().map(|(owner, _)| owner);
    let pairs = message.aliases().chain(message.services());
    for name in names
        .chain(owners)
        .chain(pairs.flat_map(|(from, to)| [from, to]))
    {
        assert!(!name.is_empty() && !name.chars().any(char::is_control));
    }
    let records =
        message.questions().count() + message.aliases().count() + message.services().count();
    assert!(records <= MOST_RECORDS);
}

fuzz_target!(|data: &[u8]| {
    let mut used = Message::default();
    let _ = used.read(b"\x12\x34\x81\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
    let again = used.read(data);
    match dns::parse(data) {
        Ok(fresh) => {
            check(&fresh);
            assert_eq!(again, Ok(()));
            assert_eq!(used, fresh);
        }
        Err(error) => assert_eq!(again, Err(error)),
    }
    let mut framed = dns::messages(data);
    let told: usize = framed.by_ref().map(|message| message.len() + 2).sum();
    assert_eq!(framed.split(), told < data.len());
    for message in dns::messages(data) {
        let _ = used.read(message);
    }
});
