//! Frames from an interface of this machine, through libpcap, as they pass.
//!
//! libpcap's packet socket has a ring of memory that the kernel fills and we empty; a frame is lent from it, never copied.
//! Whether an interface is up, and whether it is still there, is asked of the very socket, as a recording may open no other
//! once it has given up its rights.

use super::error::CaptureError;
use super::filter::Filter;
use super::frame::{Frame, LinkType};
use super::interfaces::{interfaces, is_network};
use super::live_error::LiveError;
use super::plan::Counts;
use crate::units::Timestamp;
use ::pcap::{Active, Capture, Precision};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::net::{netdevice, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long the kernel keeps a block of frames that is not full, in ms: as late as that a frame is seen at most.
const BLOCK_MILLIS: i32 = 100;
/// The whole of any frame: what libpcap calls its largest snaplen.
pub const WHOLE: u32 = 262_144;

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Bytes of a frame that are kept at most, at least 1.
    pub snaplen: u32,
    /// Whether to hear what is addressed to others.
    pub promiscuous: bool,
    /// Whether each frame is wanted at once, at the price of more work.
    pub immediate: bool,
    /// The kernel's ring, in MiB: 1 to 2047.
    pub buffer_mib: u32,
    /// Which frames, in libpcap's language.
    pub filter: Option<String>,
}

/// Whether frames can come from an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is up, or nobody can tell.
    Up,
    /// It is down, or has no link.
    Down,
    /// It was taken away.
    Removed,
}

/// An interface that is listened to.
pub struct Live {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
    /// Nanoseconds in a unit of the packets' fractions of a second.
    unit: i64,
    snaplen: u32,
    /// Its number; none for "any".
    index: Option<u32>,
    counts: Counts,
    /// libpcap's counters, of 32 bits, as they were last.
    raw: [u32; 3],
}

impl Live {
    /// Listens to an interface from now on.
    ///
    /// # Errors
    /// No permission, no such interface, one that is down ([`LiveError`], within [`ListenError`]); a filter that libpcap
    /// refuses for what the interface's packets begin with.
    pub fn open(name: &str, listen: &Listen) -> Result<Self, ListenError> {
        let filter = Filter::of(listen.filter.as_deref())?;
        let trouble = |error: ::pcap::Error| classify(name, error);
        let inactive = Capture::from_device(name).map_err(trouble)?;
        let fine = is_network(name);
        let precision = match fine {
            true => Precision::Nano,
            false => Precision::Micro,
        };
        let buffer = listen.buffer_mib.clamp(1, 2_047) << 20;
        let mut capture = inactive
            .snaplen(i32::try_from(listen.snaplen.max(1)).unwrap_or(i32::MAX))
            .promisc(listen.promiscuous)
            .immediate_mode(listen.immediate)
            .buffer_size(i32::try_from(buffer).unwrap_or(i32::MAX))
            .precision(precision)
            .timeout(BLOCK_MILLIS)
            .open()
            .map_err(trouble)?;
        // Of "any", the second of the cooked headers tells which interface it was.
        let second = ::pcap::Linktype(i32::from(LinkType::SLL2.0));
        if capture.get_datalink().0 == i32::from(LinkType::SLL.0)
            && capture
                .list_datalinks()
                .is_ok_and(|links| links.contains(&second))
        {
            capture.set_datalink(second).map_err(trouble)?;
        }
        let link = link_of(capture.get_datalink());
        if let Some(mut filter) = filter {
            filter.require(link, name)?;
            // What passed before the filter was set is thrown away by libpcap.
            let text = filter.numeric().to_owned();
            capture
                .filter(&text, true)
                .map_err(|error| other(name, "the filter cannot be set", error))?;
        }
        let capture = capture
            .setnonblock()
            .map_err(|error| other(name, "it cannot be listened to", error))?;
        let index = netdevice::name_to_index(&capture, name).ok();
        Ok(Self {
            name: name.to_owned(),
            capture,
            link,
            unit: if fine { 1 } else { 1_000 },
            snaplen: listen.snaplen.max(1),
            index,
            counts: Counts::default(),
            raw: [0; 3],
        })
    }

    /// What the system calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its frames begin with.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Bytes of a frame that are kept at most.
    pub fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// The next frame, if one is there already; its interface is given as 0.
    ///
    /// # Errors
    /// The interface is no more, or libpcap cannot go on.
    #[allow(clippy::should_implement_trait)] // an iterator's items cannot borrow from it
    #[inline]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, LiveError> {
        match self.capture.next_packet() {
            Ok(packet) => {
                let time = packet.header.ts;
                let fraction = time.tv_usec.saturating_mul(self.unit);
                Ok(Some(Frame {
                    at: Timestamp::new(time.tv_sec, fraction),
                    link: self.link,
                    // A frame that the kernel has put together from several may be longer than it says.
                    wire_len: packet
                        .header
                        .len
                        .max(u32::try_from(packet.data.len()).unwrap_or(u32::MAX)),
                    data: packet.data,
                    interface: 0,
                }))
            }
            Err(::pcap::Error::TimeoutExpired | ::pcap::Error::NoMorePackets) => Ok(None),
            Err(error) => Err(classify(&self.name, error)),
        }
    }

    /// What became of its packets so far. Kernel and libpcap count in 32 bits; asked for each minute at least, nothing is lost.
    pub fn counts(&mut self) -> Counts {
        let Ok(now) = self.capture.stats() else {
            return self.counts;
        };
        let now = [now.received, now.dropped, now.if_dropped];
        let [received, dropped, interface_dropped] = [
            &mut self.counts.received,
            &mut self.counts.dropped,
            &mut self.counts.interface_dropped,
        ];
        let sums = [received, dropped, interface_dropped];
        for ((sum, before), now) in sums.into_iter().zip(&mut self.raw).zip(now) {
            *sum = sum.saturating_add(u64::from(now.wrapping_sub(*before)));
            *before = now;
        }
        self.counts
    }

    /// Whether frames can come.
    pub fn health(&self) -> Health {
        let Some(index) = self.index else {
            return Health::Up;
        };
        // By number: it may have been given another name.
        let name = match netdevice::index_to_name(&self.capture, index) {
            Ok(name) => name,
            Err(rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => return Health::Removed,
            Err(_) => return Health::Up,
        };
        match is_up(&name, index) {
            Some(false) => Health::Down,
            _ => Health::Up,
        }
    }

    /// Takes the error that waits at the socket, after which it would be told again and again. Going down is one.
    fn clear(&self) {
        let _ = sockopt::socket_error(&self.capture);
    }
}

impl AsFd for Live {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// What a wait ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Interfaces, by their place, that went down or away or have other trouble: their [health](Live::health) tells.
    pub troubled: Vec<usize>,
    /// Whether nobody reads the output any more.
    pub closed: bool,
}

/// Waits until a frame is there on some interface, the reader of `output` (a pipe) has gone, a signal came, or the time is up.
///
/// # Errors
/// The system cannot wait.
pub fn wait(
    lives: &[Live],
    output: Option<BorrowedFd<'_>>,
    at_most: Duration,
) -> io::Result<Woken> {
    let mut files: Vec<PollFd<'_>> = lives
        .iter()
        .map(|live| PollFd::new(live, PollFlags::IN))
        .collect();
    // Asked for nothing, a pipe still tells that it is closed.
    files.extend(
        output
            .as_ref()
            .map(|pipe| PollFd::new(pipe, PollFlags::empty())),
    );
    let at_most = Timespec::try_from(at_most).ok();
    match poll(&mut files, at_most.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    let mut woken = Woken::default();
    for (number, file) in files.iter().enumerate() {
        if file.revents().intersects(gone) {
            match lives.get(number) {
                Some(live) => {
                    live.clear();
                    woken.troubled.push(number);
                }
                None => woken.closed = true,
            }
        }
    }
    Ok(woken)
}

/// Why an interface cannot be listened to as asked.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The interface.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] CaptureError),
}

/// Whether the system's files call it up and linked; nothing where they speak of another one of that name, as those of another
/// network namespace do.
fn is_up(name: &str, index: u32) -> Option<bool> {
    let read = |what: &str| std::fs::read_to_string(format!("/sys/class/net/{name}/{what}")).ok();
    let theirs: u32 = read("ifindex")?.trim().parse().ok()?;
    if theirs != index {
        return None;
    }
    let flags = read("flags")?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
    let state = read("operstate")?;
    Some(flags & 1 == 1 && !matches!(state.trim(), "down" | "lowerlayerdown"))
}

/// A file's number for what libpcap numbers: most are the same, raw IP is not.
fn link_of(number: ::pcap::Linktype) -> LinkType {
    match number.0 {
        12 | 14 => LinkType::RAW,
        number => LinkType(u16::try_from(number).unwrap_or(u16::MAX)),
    }
}

fn reason_of(error: ::pcap::Error) -> String {
    match error {
        ::pcap::Error::PcapError(reason) => reason,
        other => other.to_string(),
    }
}

fn other(name: &str, what: &'static str, error: ::pcap::Error) -> LiveError {
    LiveError::Other {
        interface: name.to_owned(),
        what,
        reason: reason_of(error),
    }
}

/// What libpcap tells only in words, told apart.
fn classify(name: &str, error: ::pcap::Error) -> LiveError {
    let interface = name.to_owned();
    let reason = reason_of(error);
    let says = |words: &[&str]| words.iter().any(|words| reason.contains(words));
    if says(&["Operation not permitted", "ermission"]) {
        return LiveError::Permission { interface, reason };
    }
    if says(&["is not up", "Network is down"]) {
        return LiveError::Down { interface };
    }
    if says(&["disappeared", "went away"]) {
        return LiveError::Removed { interface };
    }
    if says(&["No such device"]) {
        let there = interfaces().unwrap_or_default();
        let there: Vec<String> = there.into_iter().map(|one| one.name).collect();
        if !there.iter().any(|one| one == name) {
            return LiveError::Missing { interface, there };
        }
    }
    LiveError::Other {
        interface,
        what: "libpcap cannot listen",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reason: &str) -> LiveError {
        classify("eth9", ::pcap::Error::PcapError(reason.to_owned()))
    }

    #[test]
    fn what_libpcap_says_is_told_apart() {
        let denied = told("socket: Operation not permitted");
        assert!(matches!(denied, LiveError::Permission { .. }), "{denied}");
        assert!(denied.to_string().contains("CAP_NET_RAW"));
        let down = told("That device is not up");
        assert!(down.to_string().contains("ip link set eth9 up"), "{down}");
        assert!(matches!(
            told("The interface disappeared"),
            LiveError::Removed { .. }
        ));
        let missing = told("eth9: No such device exists (No such device exists)");
        assert!(matches!(missing, LiveError::Missing { .. }), "{missing}");
        assert!(matches!(told("odd"), LiveError::Other { .. }));
    }

    #[test]
    fn links_have_the_numbers_of_files() {
        for (number, link) in [
            (1, LinkType::ETHERNET),
            (12, LinkType::RAW),
            (276, LinkType::SLL2),
        ] {
            assert_eq!(link_of(::pcap::Linktype(number)), link);
        }
    }
}
