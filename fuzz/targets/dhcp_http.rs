//! Arbitrary bytes as options of a DHCP message, as DHCPv6 and as an HTTP request: nothing panics, and texts are safe to
//! print.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stp_audit::packet::{dhcp, http, name};

fn safe(text: &str) {
    assert!(!text.is_empty() && !text.chars().any(char::is_control));
}

fuzz_target!(|data: &[u8]| {
    let mut message = vec![0; 236];
    message[..3].copy_from_slice(&[1, 1, 6]);
    message.extend([99, 130, 83, 99]);
    message.extend(data);
    let leases = [
        dhcp::parse(data),
        dhcp::parse(&message),
        dhcp::parse_v6(data),
    ];
    for lease in leases.into_iter().flatten() {
        [lease.host_name, lease.vendor_class]
            .iter()
            .flatten()
            .for_each(|text| safe(text));
    }
    for request in [data, &[b"GET / HTTP/1.1\r\n", data].concat()] {
        http::host(request).iter().for_each(|host| safe(host));
    }
    // A text once escaped has nothing left to escape but its backslashes.
    let text = name::escape(data);
    assert_eq!(name::escape(text.as_bytes()), text.replace('\\', "\\\\"));
});
