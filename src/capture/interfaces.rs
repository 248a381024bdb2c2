//! The interfaces of this machine, those first that a home's traffic passes.

use super::live_error::LiveError;

/// Listed by libpcap, and no networks: Bluetooth's monitor, packets of the firewall's logs and queues, message buses, USB.
const NO_NETWORKS: [&str; 6] = [
    "bluetooth",
    "nflog",
    "nfqueue",
    "dbus-",
    "usbmon",
    "ciscodump",
];

/// An interface as the system describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// What `-i` calls it.
    pub name: String,
    /// In words, where the system has some.
    pub description: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it has a link.
    pub running: bool,
    /// Whether it leads back to this machine.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
}

impl Interface {
    /// Whether it stands for all others.
    pub fn is_any(&self) -> bool {
        self.name == "any"
    }

    /// The higher, the later in a list.
    fn rank(&self) -> (bool, bool, bool, bool) {
        (self.is_any(), self.loopback, !self.up, !self.running)
    }
}

/// The networks this machine sees: those that are up before the others, the loopback and "any" last.
///
/// # Errors
/// libpcap cannot list them.
pub fn interfaces() -> Result<Vec<Interface>, LiveError> {
    let devices = ::pcap::Device::list().map_err(|error| LiveError::List {
        reason: error.to_string(),
    })?;
    let mut all: Vec<Interface> = devices.into_iter().map(of_device).collect();
    all.retain(|one| is_network(&one.name));
    all.sort_by_key(Interface::rank);
    Ok(all)
}

/// The interface to record from where none is named, as in dumpcap: the first that is no loopback.
///
/// # Errors
/// There is none, or they cannot be listed.
pub fn first() -> Result<Interface, LiveError> {
    let mut all = interfaces()?.into_iter();
    all.find(|one| !one.loopback && !one.is_any())
        .ok_or(LiveError::None)
}

/// Whether a name is a network's.
pub(super) fn is_network(name: &str) -> bool {
    !NO_NETWORKS.iter().any(|other| name.starts_with(other))
}

fn of_device(device: ::pcap::Device) -> Interface {
    Interface {
        up: device.flags.is_up(),
        running: device.flags.is_running(),
        loopback: device.flags.is_loopback(),
        description: device.desc.unwrap_or_default(),
        addresses: device.addresses.iter().map(|one| one.addr).collect(),
        name: device.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_interfaces_come_first() {
        let one = |name: &str, up, running, loopback| Interface {
            name: name.into(),
            up,
            running,
            loopback,
            ..Interface::default()
        };
        let mut all = [
            one("any", true, true, false),
            one("lo", true, true, true),
            one("eth0", false, false, false),
            one("eth1", true, false, false),
            one("eth2", true, true, false),
        ];
        all.sort_by_key(Interface::rank);
        let names = all.map(|one| one.name);
        assert_eq!(names, ["eth2", "eth1", "eth0", "lo", "any"]);
        assert!(is_network("eth0") && is_network("any") && is_network("wlan0"));
        assert!(!is_network("bluetooth-monitor") && !is_network("dbus-system"));
    }

    #[test]
    fn this_machine_has_some() {
        match interfaces() {
            Ok(all) => assert!(all.iter().all(|one| is_network(&one.name))),
            Err(error) => println!("skipped: {error}"),
        }
    }
}
