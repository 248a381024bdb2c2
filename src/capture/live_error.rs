//! What can go wrong with an interface.

/// Why an interface could not be recorded from, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The system lets no unprivileged program listen.
    #[error("{interface}: this program may not listen to interfaces ({reason}): it lacks the capability CAP_NET_RAW")]
    Permission {
        /// The interface.
        interface: String,
        /// libpcap's reason.
        reason: String,
    },
    /// There is no such interface.
    #[error("{interface}: there is no such interface; there are {}", named(.there))]
    Missing {
        /// What was asked for.
        interface: String,
        /// Those that are there.
        there: Vec<String>,
    },
    /// The interface is there, and down.
    #[error("{interface}: is down; take it up with: ip link set {interface} up")]
    Down {
        /// The interface.
        interface: String,
    },
    /// The interface was taken away.
    #[error("{interface}: the interface was removed")]
    Removed {
        /// The interface.
        interface: String,
    },
    /// Interfaces cannot be listed.
    #[error("the interfaces of this machine cannot be listed: {reason}; name one with -i")]
    List {
        /// libpcap's reason.
        reason: String,
    },
    /// There is none to record from.
    #[error("there is no interface to record from, but the loopback; name one with -i")]
    None,
    /// Anything else.
    #[error("{interface}: {what}: {reason}; is it a network interface? `stp-audit capture -D` lists them")]
    Other {
        /// The interface.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// libpcap's reason.
        reason: String,
    },
}

/// `a, b, c`.
fn named(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}
