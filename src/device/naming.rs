//! Words for a device one has just met: a file name, what kind of thing it is, which of its names are its own.

use super::catalog::{Catalog, NameMatch, SHARED_NAMES};
use super::suspicion::is_time_server;

/// A file name for a device's name: lower-case letters, digits and single hyphens.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => "device".to_owned(),
        // That file of a folder is no device.
        SHARED_NAMES => format!("{SHARED_NAMES}-device"),
        slug => slug.to_owned(),
    }
}

/// A word for what kind of thing a name speaks of.
pub(super) fn kind(name: &str) -> &'static str {
    const WORDS: [(&str, &str); 14] = [
        ("plug", "plug"),
        ("switch", "plug"),
        ("bulb", "light"),
        ("light", "light"),
        ("lamp", "light"),
        ("doorbell", "doorbell"),
        ("cam", "camera"),
        ("lock", "lock"),
        ("thermostat", "thermostat"),
        ("smoke", "sensor"),
        ("sensor", "sensor"),
        ("phone", "phone"),
        ("tv", "tv"),
        ("hub", "hub"),
    ];
    let name = name.to_ascii_lowercase();
    WORDS
        .iter()
        .find(|(word, _)| name.contains(word))
        .map_or("appliance", |(_, kind)| kind)
}

/// Whether everybody asks for a name. The rented cloud of many makers is not everybody's: in one home it tells devices apart.
pub(super) fn is_everybodys(catalog: &Catalog, name: &str) -> bool {
    let shared = match catalog.by_name(name) {
        NameMatch::Shared(shared) => shared.platform.is_none(),
        _ => false,
    };
    shared || is_time_server(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        assert_eq!(slug("Nest Smoke & CO Detector"), "nest-smoke-co-detector");
        assert_eq!(slug("灯"), "device");
        assert_eq!(slug("Shared Names"), "shared-names-device");
    }
}
