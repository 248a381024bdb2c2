//! `-f`: filters in libpcap's language, compiled once for each link type met.

use super::bpf::{Instruction, Program};
use super::error::CaptureError;
use super::filter_words::looked_up;
use super::frame::LinkType;
use super::reader::Options;
use std::collections::BTreeMap;

/// Whether a frame passes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Match,
    Mismatch,
    /// The filter has no meaning over this link type.
    Impossible,
}

/// A filter and its programs.
pub(super) struct Filter {
    text: String,
    programs: BTreeMap<LinkType, Result<Program, String>>,
}

impl Filter {
    /// The filter of `options`; an error where libpcap can compile it for no usual link type.
    pub(super) fn of(options: &Options) -> Result<Option<Self>, CaptureError> {
        let Some(text) = options.filter.clone() else {
            return Ok(None);
        };
        if let Some(word) = looked_up(&text) {
            return Err(CaptureError::FilterName { filter: text, word });
        }
        let usual = [
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::SLL,
            LinkType::IEEE802_11,
        ];
        let mut reason = None;
        for link in usual {
            match compile(&text, link) {
                Ok(_) => {
                    return Ok(Some(Self {
                        text,
                        programs: BTreeMap::new(),
                    }))
                }
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        Err(CaptureError::Filter {
            filter: text,
            reason: reason.unwrap_or_default(),
            link: None,
        })
    }

    /// Compiles it for the only link type of `path`, for which it must be fit.
    pub(super) fn require(&mut self, link: LinkType, path: &str) -> Result<(), CaptureError> {
        match self.program(link) {
            Ok(_) => Ok(()),
            Err(reason) => Err(CaptureError::Filter {
                reason: reason.clone(),
                filter: self.text.clone(),
                link: Some(format!("{path} is {link}")),
            }),
        }
    }

    fn program(&mut self, link: LinkType) -> &Result<Program, String> {
        self.programs
            .entry(link)
            .or_insert_with(|| compile(&self.text, link))
    }

    /// Whether a frame passes.
    pub(super) fn matches(&mut self, link: LinkType, wire_len: u32, data: &[u8]) -> Fit {
        // A loopback frame of a big-endian machine: the family's upper half comes first and is 0. To libpcap that is the
        // byte order of OpenBSD's loopback, while plain loopback is in our own.
        let link = match (link, data) {
            (LinkType::NULL, [0, 0, ..]) => LinkType::LOOP,
            _ => link,
        };
        match self.program(link) {
            Ok(program) if program.matches(data, wire_len) => Fit::Match,
            Ok(_) => Fit::Mismatch,
            Err(_) => Fit::Impossible,
        }
    }

    /// For which link types it could not be compiled and why.
    pub(super) fn refusals(&self) -> String {
        let mut reasons: Vec<String> = self
            .programs
            .iter()
            .filter_map(|(link, program)| Some(format!("{link}: {}", program.as_ref().err()?)))
            .collect();
        reasons.truncate(3);
        reasons.join("; ")
    }
}

/// libpcap's own number of a link type: most are those of files, raw IP is not.
fn dlt(link: LinkType) -> ::pcap::Linktype {
    ::pcap::Linktype(match link {
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => 12,
        LinkType(number) => i32::from(number),
    })
}

fn compile(text: &str, link: LinkType) -> Result<Program, String> {
    let reason = |error| match error {
        ::pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    };
    let handle = ::pcap::Capture::dead(dlt(link)).map_err(reason)?;
    let program = handle.compile(text, true).map_err(reason)?;
    // The crate keeps the instruction's fields to itself but prints them.
    let instructions = program.get_instructions().iter().map(|instruction| {
        let printed = instruction.to_string();
        let mut fields = printed.split(' ').map(str::parse::<u32>);
        let mut field = || fields.next()?.ok();
        Some(Instruction {
            code: u16::try_from(field()?).ok()?,
            if_true: u8::try_from(field()?).ok()?,
            if_false: u8::try_from(field()?).ok()?,
            k: field()?,
        })
    });
    instructions
        .collect::<Option<_>>()
        .map(Program)
        .ok_or_else(|| "libpcap's program cannot be read".to_owned())
}
