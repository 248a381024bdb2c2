//! The host a plain HTTP/1 request is for.
//!
//! RFC 9112, section 3 (request line and target); RFC 9110, section 7.2 (Host).

use crate::packet::name;

/// How far into a request its Host header is looked for, in bytes. Browsers and devices send it first or second.
const HEAD: usize = 4096;

const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
];

/// Whether a segment begins with the method of an HTTP/1 request: a look at its first few bytes.
pub fn is_request(payload: &[u8]) -> bool {
    // Methods are upper case; most payloads end here.
    payload.first().is_some_and(u8::is_ascii_uppercase)
        && METHODS.iter().any(|method| payload.starts_with(method))
}

/// The host of the request that `payload` begins with, in canonical form and without its port; `None` where there is no
/// request or it names none within the payload.
///
/// Some devices, the Hue bridge among them, send the method in a segment of its own and go on with the target in the next:
/// that is read as well, where the line ends as a request's does. So a request without a host is worth another look at
/// the segment that follows.
pub fn host(payload: &[u8]) -> Option<Box<str>> {
    if !payload.starts_with(b"/") && !is_request(payload) {
        return None;
    }
    let head = payload.get(..HEAD).unwrap_or(payload);
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next()?;
    if first.starts_with(b"/") && !names_version(first.trim_ascii_end()) {
        return None;
    }
    let target = target_host(first);
    for line in lines {
        // A line the payload cuts off may hold half a name.
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let line = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        let Some((field, value)) = split_at(line, b':') else {
            continue;
        };
        if field.eq_ignore_ascii_case(b"host") {
            return name::canonical(without_port(value.trim_ascii()));
        }
    }
    name::canonical(without_port(target?))
}

/// Adds to `out` the request that `payload` begins with, as far as it takes to tell its host: of the same length up to there,
/// with everything overwritten that tells something else (the path, other headers). [`host`] reads the same of it.
///
/// Adds nothing where there is no host, or where it cannot be told apart.
pub fn only_host(payload: &[u8], out: &mut Vec<u8>) {
    let Some(name) = host(payload) else {
        return;
    };
    let begin = out.len();
    let head = payload.get(..HEAD).unwrap_or(payload);
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    only_target_host(first, out);
    let behind_first = out.len();
    let mut found = false;
    for line in lines.take_while(|line| line.ends_with(b"\n")) {
        found = split_at(line.trim_ascii(), b':')
            .is_some_and(|(field, _)| field.eq_ignore_ascii_case(b"host"));
        if found {
            out.extend_from_slice(line);
            break;
        }
        blank(line, out);
    }
    if !found {
        out.truncate(behind_first);
    }
    let told = out.get(begin..).and_then(host);
    if told.as_ref() != Some(&name) {
        out.truncate(begin);
    }
}

/// A request line with nothing of its target but the host, where there is one in it.
fn only_target_host(line: &[u8], out: &mut Vec<u8>) {
    let text = line.trim_ascii_end();
    let method = match line.starts_with(b"/") {
        true => 0,
        false => text
            .iter()
            .position(|&byte| byte == b' ')
            .map_or(0, |at| at + 1),
    };
    let version = match names_version(text) {
        true => text.len() - b" HTTP/1.1".len(),
        false => text.len(),
    };
    let host = target_host(line).map_or(0, |host| b"http://".len() + host.len());
    // And what ends the host; of a path the slash that it begins with.
    let kept = method + host + 1;
    for (at, &byte) in line.iter().enumerate() {
        let stays = at < kept || at >= version || byte == b' ';
        out.push(if stays { byte } else { b'x' });
    }
}

/// A line of the same length that tells nothing.
fn blank(line: &[u8], out: &mut Vec<u8>) {
    let text = line.trim_ascii_end().len();
    out.resize(out.len() + text, b'x');
    out.extend_from_slice(line.get(text..).unwrap_or_default());
}

/// Whether a request line ends as one must.
fn names_version(line: &[u8]) -> bool {
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

/// The host of a target in absolute form, `http://host/path`, as sent to proxies.
fn target_host(request_line: &[u8]) -> Option<&[u8]> {
    let (_, target) = split_at(request_line, b' ')?;
    let (target, _) = split_at(target, b' ')?;
    let scheme = target.get(..7)?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    target
        .get(7..)?
        .split(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .next()
}

/// `host:port` or `[address]:port` without the port.
fn without_port(host: &[u8]) -> &[u8] {
    if let Some(address) = host.strip_prefix(b"[") {
        return split_at(address, b']').map_or(host, |(address, _)| address);
    }
    split_at(host, b':').map_or(host, |(host, _)| host)
}

fn split_at(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(request: &str) -> Option<String> {
        host(request.as_bytes()).map(String::from)
    }

    #[test]
    fn the_host_is_found_in_any_case_and_without_its_port() {
        let request = "GET / HTTP/1.1\r\nUser-Agent: x\r\nhOST:  Device.WeMo.COM:8080 \r\n\r\n";
        assert_eq!(of(request).unwrap(), "device.wemo.com");
        assert_eq!(
            of("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n").unwrap(),
            "2001:db8::1"
        );
        assert_eq!(of("POST /a HTTP/1.1\nHost: a.b\n\n").unwrap(), "a.b");
    }

    #[test]
    fn a_proxy_s_request_names_the_host_in_its_target() {
        assert_eq!(
            of("GET http://a.example:80/x HTTP/1.0\r\n\r\n").unwrap(),
            "a.example"
        );
        assert_eq!(
            of("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n").unwrap(),
            "a.b"
        );
    }

    #[test]
    fn what_is_no_request_or_cut_off_has_no_host() {
        assert_eq!(of("HTTP/1.1 200 OK\r\nHost: a.b\r\n\r\n"), None);
        assert_eq!(of("GET / HTTP/1.1\r\nHost: examp"), None);
        assert_eq!(of("GET / HTTP/1.1\r\n\r\nHost: body.example\r\n"), None);
        assert_eq!(of("GETTING / HTTP/1.1\r\nHost: a.b\r\n\r\n"), None);
        assert_eq!(of("GET / HTTP/1.1\r\nHost: \r\n\r\n"), None);
        assert_eq!(of("GET"), None);
    }

    #[test]
    fn the_method_may_have_gone_ahead() {
        let rest = "/queue HTTP/1.1\r\nHost: bridge.example:80\r\n\r\n";
        assert_eq!(of(rest).unwrap(), "bridge.example");
        assert_eq!(of("/etc/hosts\nHost: bridge.example\n"), None);
    }

    #[test]
    fn hostile_hosts_are_escaped() {
        assert_eq!(
            of("GET / HTTP/1.1\r\nHost: a\x1b[2J\r\n\r\n").unwrap(),
            r"a\033[2j"
        );
    }

    fn only(payload: &[u8]) -> String {
        let mut out = Vec::new();
        only_host(payload, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn of_a_request_only_the_host_is_left() {
        assert_eq!(
            only(b"GET /me?token=1 HTTP/1.1\r\nCookie: a\r\nHost: a.example\r\nAccept: b\r\n\r\nbody"),
            "GET /xxxxxxxxxx HTTP/1.1\r\nxxxxxxxxx\r\nHost: a.example\r\n"
        );
        assert_eq!(
            only(b"GET http://a.example:8080/me HTTP/1.1\r\nCookie: a\r\n\r\n"),
            "GET http://a.example:8080/xx HTTP/1.1\r\n"
        );
        assert_eq!(
            only(b"/me HTTP/1.1\r\nHost: a.example\r\n"),
            "/xx HTTP/1.1\r\nHost: a.example\r\n"
        );
        assert_eq!(only(b"GET /me HTTP/1.1\r\n\r\n"), "");
        assert_eq!(only(b"no request"), "");
    }

    proptest! {
        #[test]
        fn the_host_that_is_left_is_the_one_there_was(
            payload in "(GET |POST |)(/[a-z?=]{0,9}|http://[a-z.:]{1,9}(/[a-z]{0,3})?)( HTTP/1[.][01])?\r?\n(([A-Za-z]{1,5}|Host|HOST) ?: ?[a-z.:0-9]{0,9}\r?\n){0,3}"
        ) {
            let mut out = Vec::new();
            only_host(payload.as_bytes(), &mut out);
            let expected = host(payload.as_bytes());
            prop_assert!(out.len() <= payload.len());
            if out.is_empty() {
                // Fails closed, and only where there is little to tell apart.
                prop_assert!(expected.is_none());
            } else {
                prop_assert_eq!(host(&out), expected);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            host(&bytes);
            host(&[&b"GET "[..], &bytes].concat());
            host(&[&b"GET / HTTP/1.1\r\nHost:"[..], &bytes, b"\r\n"].concat());
        }
    }
}
