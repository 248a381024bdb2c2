//! What one fingerprint file says: the names, addresses, ports and hardware by which a kind of device is known.
//!
//! One TOML file a device or vendor; its stem is the fingerprint's id. The paper's Table 2 is twelve of them.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::habits::Habits;
pub use super::port::Port;

/// A device, or every device of a vendor, and how it shows on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The file's stem, `belkin-wemo-switch`: lower-case letters, digits and hyphens.
    #[serde(skip)]
    pub id: String,
    /// Who sells it, as written on the box.
    pub vendor: String,
    /// What it is called; absent in a file that stands for all of a vendor's devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// One word: plug, light, camera, doorbell, speaker, hub, lock, thermostat, sensor, tv, appliance, phone...
    pub kind: String,
    /// Where the facts come from: a study, a data set, a capture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Anything a reader should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Server or service ports it uses. Weak evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Names of its servers.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub names: Names,
    /// Addresses of its servers, each with the day it was learned: they move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Its network card.
    #[serde(default, skip_serializing_if = "Mac::is_empty")]
    pub mac: Mac,
    /// What it says of itself when it asks for an address.
    #[serde(default, skip_serializing_if = "Dhcp::is_empty")]
    pub dhcp: Dhcp,
    /// How it behaves, where that was learned from a capture of it.
    #[serde(default, skip_serializing_if = "Habits::is_empty")]
    pub habits: Habits,
}

/// Server names, from what settles a question to what merely hints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Whole names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exact: Vec<String>,
    /// A domain: the name itself and everything under it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suffix: Vec<String>,
    /// Patterns over the whole name, where `*` stands for any run of characters and `?` for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wildcard: Vec<String>,
    /// Names (or patterns) it asks for, but others too: one says little, several together something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hint: Vec<String>,
}

impl Names {
    fn is_empty(&self) -> bool {
        self.exact.is_empty()
            && self.suffix.is_empty()
            && self.wildcard.is_empty()
            && self.hint.is_empty()
    }
}

/// A server's address or prefix, and when it was seen to be that server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// `192.0.2.7/32` for one address.
    pub prefix: IpNet,
    /// The day of the capture it was learned from.
    pub learned: Day,
    /// Only on these ports; any where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A day, `2024-03-05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub jiff::civil::Date);

/// Network cards a device is built with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mac {
    /// First three bytes of the hardware address, as the IEEE gave them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oui: Vec<Oui>,
}

impl Mac {
    fn is_empty(&self) -> bool {
        self.oui.is_empty()
    }
}

/// The maker's half of a hardware address, `ec:1a:59`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oui(pub [u8; 3]);

/// What a device says when it asks for an address (RFC 2132). `*` is allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcp {
    /// Option 60.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vendor_class: Vec<String>,
    /// Option 12.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_name: Vec<String>,
}

impl Dhcp {
    fn is_empty(&self) -> bool {
        self.vendor_class.is_empty() && self.host_name.is_empty()
    }
}

/// Why a fingerprint or a folder of them could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    /// The folder or file cannot be opened.
    #[error("{path}: {error}; is the folder right?")]
    Unreadable {
        /// The folder or file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not a fingerprint.
    #[error("{path}: line {line}: {what}; compare it with `stp-audit fingerprint show belkin-wemo-switch`")]
    Malformed {
        /// The file.
        path: String,
        /// The line, from 1; 0 where the whole file is meant.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

impl Fingerprint {
    /// Reads one file's text. `path` names it in errors; its stem is `id`.
    pub fn from_toml(id: &str, text: &str, path: &str) -> Result<Self, FingerprintError> {
        let malformed = |line, what: String| FingerprintError::Malformed {
            path: path.to_owned(),
            line,
            what,
        };
        if id.is_empty()
            || !id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(malformed(
                0,
                format!(
                    "the file name {id:?} may hold lower-case letters, digits and hyphens only"
                ),
            ));
        }
        let mut fingerprint: Self = toml::from_str(text)
            .map_err(|error| malformed(line_of(text, &error), error.message().to_owned()))?;
        id.clone_into(&mut fingerprint.id);
        fingerprint.lower_case();
        let line = |what: &str| {
            text.lines()
                .position(|l| l.to_ascii_lowercase().contains(what))
                .map_or(0, |n| n + 1)
        };
        if fingerprint.vendor.trim().is_empty() {
            return Err(malformed(
                line("vendor"),
                "vendor is empty: who sells the device?".to_owned(),
            ));
        }
        for name in fingerprint
            .names
            .exact
            .iter()
            .chain(&fingerprint.names.suffix)
        {
            if name.is_empty()
                || name.contains(['*', '?', '/', ' '])
                || name.starts_with('.')
                || name.ends_with('.')
            {
                return Err(malformed(
                    line(name),
                    format!("{name:?} is no plain name: write `example.com`; patterns with * go under wildcard"),
                ));
            }
        }
        for pattern in fingerprint
            .names
            .wildcard
            .iter()
            .chain(&fingerprint.names.hint)
        {
            if pattern
                .bytes()
                .filter(|b| !matches!(b, b'*' | b'?' | b'.'))
                .count()
                < 4
            {
                return Err(malformed(
                    line(pattern),
                    format!("{pattern:?} would match nearly everything"),
                ));
            }
        }
        for name in &fingerprint.names.suffix {
            if !name.contains('.') {
                return Err(malformed(
                    line(name),
                    format!("the suffix {name:?} is a whole top-level domain"),
                ));
            }
        }
        Ok(fingerprint)
    }

    /// The file this fingerprint is read from.
    pub fn to_toml(&self) -> String {
        // Strings, numbers and arrays of them always serialise: an error here would be a mistake of ours, and an empty
        // text, refused on reading, is the honest answer.
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// Vendor and product, `Belkin WeMo Switch`; the vendor alone where the file stands for all its devices.
    pub fn name(&self) -> String {
        match &self.product {
            Some(product) => format!("{} {product}", self.vendor),
            None => self.vendor.clone(),
        }
    }

    /// Whether it stands for all of a vendor's devices.
    pub fn is_vendor_wide(&self) -> bool {
        self.product.is_none()
    }

    fn lower_case(&mut self) {
        let names = &mut self.names;
        for list in [
            &mut names.exact,
            &mut names.suffix,
            &mut names.wildcard,
            &mut names.hint,
            &mut self.dhcp.vendor_class,
            &mut self.dhcp.host_name,
        ] {
            for name in list.iter_mut() {
                name.make_ascii_lowercase();
            }
            list.sort();
            list.dedup();
        }
    }
}

/// The line a TOML error is on, from 1.
pub(crate) fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

impl fmt::Display for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

impl FromStr for Oui {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: Option<Vec<u8>> = text
            .split([':', '-'])
            .map(|pair| {
                if pair.len() == 2 {
                    u8::from_str_radix(pair, 16).ok()
                } else {
                    None
                }
            })
            .collect();
        bytes
            .and_then(|bytes| <[u8; 3]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is no maker's half of a hardware address: write `ec:1a:59`")
            })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is no day: write `2024-03-05`"))
    }
}

/// As their text, in both directions.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(Oui, Day);

#[cfg(test)]
mod tests {
    use super::*;

    const WEMO: &str = r#"
vendor = "Belkin"
product = "WeMo Switch"
kind = "plug"
sources = ["Apthorpe et al., PETS 2019, Table 2"]
ports = ["tcp/8443"]

[names]
exact = ["API.xbcs.net"]
suffix = ["xbcs.net"]
wildcard = ["prod1-fs-xbcs-net-*"]

[[addresses]]
prefix = "54.145.171.115/32"
learned = "2024-03-05"

[mac]
oui = ["ec:1a:59"]
"#;

    #[test]
    fn a_file_is_read_and_written_back_the_same() {
        let wemo = Fingerprint::from_toml("belkin-wemo-switch", WEMO, "x").unwrap();
        assert_eq!(wemo.name(), "Belkin WeMo Switch");
        assert_eq!(wemo.names.exact, ["api.xbcs.net"]);
        assert_eq!(wemo.mac.oui, [Oui([0xec, 0x1a, 0x59])]);
        assert_eq!(wemo.addresses[0].learned.to_string(), "2024-03-05");
        let again = Fingerprint::from_toml("belkin-wemo-switch", &wemo.to_toml(), "x").unwrap();
        assert_eq!(again, wemo);
    }

    #[test]
    fn an_error_names_the_file_the_line_and_what_to_write() {
        let at = |text: &str| {
            Fingerprint::from_toml("a", text, "a.toml")
                .unwrap_err()
                .to_string()
        };
        let unknown = at("vendor = \"A\"\nkind = \"plug\"\ncolour = \"red\"\n");
        assert!(
            unknown.starts_with("a.toml: line 3: unknown field `colour`"),
            "{unknown}"
        );
        let port = at("vendor = \"A\"\nkind = \"plug\"\nports = [\"8883\"]\n");
        assert!(
            port.contains("line 3") && port.contains("write `tcp/8883`"),
            "{port}"
        );
        let suffix = at("vendor = \"A\"\nkind = \"plug\"\n[names]\nsuffix = [\"com\"]\n");
        assert!(
            suffix.contains("line 4") && suffix.contains("top-level domain"),
            "{suffix}"
        );
        let wide = at("vendor = \"A\"\nkind = \"plug\"\n[names]\nwildcard = [\"*.*\"]\n");
        assert!(wide.contains("nearly everything"), "{wide}");
        assert!(Fingerprint::from_toml("../a", WEMO, "x").is_err());
    }
}
