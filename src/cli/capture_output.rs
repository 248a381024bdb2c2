//! Where a recording goes: a file, a ring of files, a pipe, and what each is told about who records.

use crate::capture::{About, Form, Limits, Moment, Plan, Recorder, Source};
use crate::cli::args::RecordArgs;
use crate::cli::capture_listen::Opened;
use crate::cli::exit::usage;
use crate::cli::signals::Signals;
use jiff::tz::TimeZone;
use rustix::fs::{fcntl_setfl, Mode, OFlags};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a FIFO that nobody reads is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// A place for a recording, checked, and opened where it is a pipe.
pub struct Output {
    path: PathBuf,
    opened: Option<File>,
    ring: Option<Limits>,
}

impl Output {
    /// Of what was typed. A FIFO is opened once somebody reads it; `None` where a signal ended the wait for that.
    ///
    /// # Errors
    /// Nothing, or what cannot be, was typed; a FIFO that cannot be opened.
    pub fn of(args: &RecordArgs, signals: &Signals) -> anyhow::Result<Option<Self>> {
        let ring = args.ring().map_err(usage)?;
        let stdout = io::stdout();
        let Some(path) = args.write.clone() else {
            return Err(usage(match stdout.is_terminal() {
                true => "say where to record: -w home.pcapng, or -w - for a pipe, as in: stp-audit capture -i eth1 -w home.pcapng",
                false => "say -w - to record to standard output, as in: stp-audit capture -i eth1 -w - | stp-audit infer -",
            }));
        };
        let opened = if path.as_os_str() == "-" {
            if stdout.is_terminal() {
                return Err(usage(
                    "-w -: standard output is a terminal, which a recording would only confuse; pipe it, as in: stp-audit capture -i eth1 -w - | stp-audit infer -",
                ));
            }
            if ring.is_some() {
                return Err(usage(
                    "-b makes several files, and standard output is one: give -w a name, as -w home.pcapng",
                ));
            }
            Some(File::from(stdout.as_fd().try_clone_to_owned()?))
        } else if is_fifo(&path) {
            if ring.is_some() {
                return Err(usage(format!(
                    "-b makes several files, and {} is a FIFO: give -w another name",
                    path.display()
                )));
            }
            let Some(file) = open_fifo(&path, signals)? else {
                return Ok(None);
            };
            Some(file)
        } else {
            None
        };
        Ok(Some(Self { path, opened, ring }))
    }

    /// Whether somebody waits at the other end for each packet.
    pub fn is_piped(&self) -> bool {
        let file = self.opened.as_ref();
        file.is_some_and(|file| !file.metadata().is_ok_and(|about| about.is_file()))
    }

    /// The folder in which files are made and named while it goes on; none for what is opened once.
    pub fn folder(&self) -> Option<&Path> {
        self.ring.as_ref()?;
        let folder = self.path.parent()?;
        // Of a name alone.
        Some(match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        })
    }

    /// Whether it goes where somebody else has opened it.
    pub fn is_opened(&self) -> bool {
        self.opened.is_some()
    }

    /// Begins the recording.
    ///
    /// # Errors
    /// The file cannot be written; classic pcap, and interfaces whose packets begin with different things.
    pub fn begin(self, args: &RecordArgs, from: &Opened, now: Moment) -> anyhow::Result<Recorder> {
        if let ([first, others @ ..], Form::Pcap) = (&from.lives[..], args.form()) {
            if let Some(other) = others.iter().find(|other| other.link() != first.link()) {
                return Err(usage(format!(
                    "-P: classic pcap holds one kind of packets, and {} is {} while {} is {}: leave -P away, or record one of them",
                    first.name(), first.link(), other.name(), other.link(),
                )));
            }
        }
        let interfaces = from.lives.iter().zip(&from.descriptions);
        // A filter may hold addresses, and this machine has a name.
        let nameless = args.scrub.anonymize.is_some();
        let plan = Plan {
            path: self.path,
            form: args.form(),
            stop: args.stop(),
            ring: self.ring,
            group_reads: args.group_access,
            // Asked once, as its files may be out of reach later.
            zone: TimeZone::system(),
            recorder: about(args.capture_comment.as_deref(), nameless),
            interfaces: interfaces
                .map(|(live, description)| Source {
                    name: live.name().to_owned(),
                    description: description.clone(),
                    filter: match nameless {
                        true => String::new(),
                        false => args.filter.clone().unwrap_or_default(),
                    },
                    snaplen: live.snaplen(),
                    link: live.link(),
                })
                .collect(),
        };
        Ok(Recorder::begin(plan, self.opened, now)?)
    }
}

fn is_fifo(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|about| about.file_type().is_fifo())
}

/// Opens a FIFO for writing. The system would keep us until somebody reads it, whatever signals come; so we ask again and again.
fn open_fifo(path: &Path, signals: &Signals) -> anyhow::Result<Option<File>> {
    loop {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => {
                fcntl_setfl(&file, OFlags::WRONLY).map_err(io::Error::from)?;
                return Ok(Some(File::from(file)));
            }
            Err(rustix::io::Errno::NXIO) if signals.came().is_none() => std::thread::sleep(AGAIN),
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            Err(error) => {
                let error = io::Error::from(error);
                return Err(anyhow::Error::new(error).context(format!(
                    "{}: cannot be written; choose another file",
                    path.display()
                )));
            }
        }
    }
}

/// Who records; on which machine, unless that is to stay `nameless`.
fn about(comment: Option<&str>, nameless: bool) -> About {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let host = format!("recorded on {}", text(system.nodename()));
    About {
        hardware: text(system.machine()),
        system: format!("{} {}", text(system.sysname()), text(system.release())),
        program: concat!("stp-audit ", env!("CARGO_PKG_VERSION")).to_owned(),
        comment: match (comment, nameless) {
            (comment, true) => comment.unwrap_or_default().to_owned(),
            (Some(comment), false) => format!("{comment}\n{host}"),
            (None, false) => host,
        },
    }
}
