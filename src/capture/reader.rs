//! All inputs as one trace in time order.

use super::buffer::CHUNK;
use super::error::CaptureError;
use super::filter::{Filter, Fit};
use super::frame::Frame;
use super::source::{InputSummary, Source};
use super::stored::{self, Origin};
use crate::units::Timestamp;
use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// Room for all buffers of many inputs together, and the least of one.
const ALL_BUFFERS: usize = 8 * 1024 * 1024;
const LEAST_BUFFER: usize = 16 * 1024;

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A filter in libpcap's language (`man pcap-filter`): only frames that match are given. Lengths (`less`, `greater`,
    /// `len`) are those on the wire, also where the capture cut the packets. Names of hosts are refused, as looking them
    /// up would open a connection.
    pub filter: Option<String>,
    /// Whether to compute the SHA-256 of the stored bytes.
    pub hash: bool,
    /// A flag that ends the reading of FIFOs, pipes and terminals when it goes up, also while they give nothing: the
    /// records that have come whole stand, and the input counts as ended there. Regular files are read on.
    pub stop: Option<Arc<AtomicBool>>,
}

/// When the next record of a source comes, in the order of the merge: earliest first, then as the inputs were named.
type Head = Reverse<(Timestamp, usize)>;

/// Reads the frames of one or several captures, each once and without seeking.
///
/// A single input is given in the order of its file. Several are merged by time: of the records that are next in each, the
/// earliest; so an input that is a little out of order within itself stays so.
pub struct Reader {
    sources: Vec<Source>,
    heads: BinaryHeap<Head>,
    begun: bool,
    filter: Option<Filter>,
}

impl Reader {
    /// Opens files, FIFOs or (`-`) standard input; formats are told by their first bytes.
    ///
    /// Fails on the first input that cannot be opened or is no capture, and on a filter that libpcap refuses.
    pub fn open(inputs: &[PathBuf], options: &Options) -> Result<Self, CaptureError> {
        let filter = Filter::of(options.filter.as_deref())?;
        let chunk = chunk(inputs.len());
        let sources = inputs.iter().map(|path| {
            let name = path.display().to_string();
            let (origin, size) =
                stored::open(path, options.stop.as_ref()).map_err(|source| CaptureError::Open {
                    path: name.clone(),
                    source,
                })?;
            Source::open(name, origin, size, options.hash, chunk)
        });
        Self::new(sources.collect::<Result<_, _>>()?, filter)
    }

    /// Reads a single capture from anything that gives bytes, called `name` in messages.
    pub fn from_read(name: &str, origin: Origin, options: &Options) -> Result<Self, CaptureError> {
        Self::from_reads(vec![(name.to_owned(), origin)], options)
    }

    /// Merges captures from anything that gives bytes.
    pub fn from_reads(
        inputs: Vec<(String, Origin)>,
        options: &Options,
    ) -> Result<Self, CaptureError> {
        let filter = Filter::of(options.filter.as_deref())?;
        let chunk = chunk(inputs.len());
        let sources = inputs
            .into_iter()
            .map(|(name, origin)| Source::open(name, origin, None, options.hash, chunk));
        Self::new(sources.collect::<Result<_, _>>()?, filter)
    }

    fn new(sources: Vec<Source>, mut filter: Option<Filter>) -> Result<Self, CaptureError> {
        if sources.is_empty() {
            return Err(CaptureError::NoInput);
        }
        if let Some(filter) = &mut filter {
            for source in &sources {
                if let Some(link) = source.link() {
                    filter.require(link, source.path())?;
                }
            }
        }
        Ok(Self {
            sources,
            heads: BinaryHeap::new(),
            begun: false,
            filter,
        })
    }

    /// The next frame that matches the filter; nothing once all inputs are read.
    ///
    /// Fails only where the system cannot deliver bytes; the frames before stand, and calling again goes on with the
    /// other inputs. Where a file ends or breaks in the middle, its summary says so.
    #[inline(always)] // one caller; as a call, a tenth more time for the walk
    #[allow(clippy::should_implement_trait)] // an iterator cannot lend its own buffer
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let index = match (self.sources.as_mut_slice(), &self.filter) {
            ([only], None) => only.next()?.then_some(0),
            _ => self.next_chosen()?,
        };
        Ok(index
            .and_then(|index| self.sources.get(index))
            .map(Source::frame))
    }

    /// Which source has the next frame, of several or under a filter.
    #[inline(never)]
    fn next_chosen(&mut self) -> Result<Option<usize>, CaptureError> {
        loop {
            let next = match self.sources.as_mut_slice() {
                [only] => only.next()?.then_some(0),
                _ => self.next_merged()?,
            };
            let Some(index) = next else {
                return Ok(None);
            };
            if self.filter.is_none() || self.matches(index) {
                return Ok(Some(index));
            }
        }
    }

    /// Moves on the source whose record was given last, then tells which has the earliest of all.
    #[inline(never)]
    fn next_merged(&mut self) -> Result<Option<usize>, CaptureError> {
        if self.begun {
            if let Some(mut head) = self.heads.peek_mut() {
                let Reverse((_, index)) = *head;
                match self.sources.get_mut(index) {
                    Some(source) => match source.next() {
                        Ok(true) => *head = Reverse((source.record().at, index)),
                        Ok(false) => {
                            PeekMut::pop(head);
                        }
                        Err(error) => {
                            PeekMut::pop(head);
                            // What is on top now was not given yet.
                            self.begun = false;
                            return Err(error);
                        }
                    },
                    None => {
                        PeekMut::pop(head);
                    }
                }
            }
        } else {
            self.gather()?;
        }
        self.begun = true;
        Ok(self.heads.peek().map(|Reverse((_, index))| *index))
    }

    /// The first record of each source that has none in the heap.
    #[cold]
    fn gather(&mut self) -> Result<(), CaptureError> {
        for (index, source) in self.sources.iter_mut().enumerate() {
            let waits = self.heads.iter().any(|Reverse((_, i))| *i == index);
            if !waits && source.next()? {
                self.heads.push(Reverse((source.record().at, index)));
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn matches(&mut self, index: usize) -> bool {
        let (Some(filter), Some(source)) = (&mut self.filter, self.sources.get_mut(index)) else {
            return true;
        };
        let record = source.record();
        let fit = filter.matches(record.link, record.wire_len, source.data());
        source.filtered_out += u64::from(fit != Fit::Match);
        source.unfit += u64::from(fit == Fit::Impossible);
        fit == Fit::Match
    }

    /// What is known of each input, in the order they were named; complete once [`next`](Self::next) gave nothing.
    pub fn summaries(&self) -> Vec<InputSummary> {
        let summary = |source: &Source| {
            let mut summary = source.summary();
            if source.unfit > 0 {
                let reasons = self
                    .filter
                    .as_ref()
                    .map(Filter::refusals)
                    .unwrap_or_default();
                summary.warnings.push(format!(
                    "frames of link types the filter cannot be applied to, left out: {} ({reasons})",
                    source.unfit
                ));
            }
            summary
        };
        self.sources.iter().map(summary).collect()
    }

    /// Stored bytes read so far, of all inputs.
    pub fn bytes_read(&self) -> u64 {
        self.sources.iter().map(Source::stored).sum()
    }

    /// Stored bytes of all inputs, where all are regular files.
    pub fn total_bytes(&self) -> Option<u64> {
        self.sources.iter().map(Source::size).sum()
    }
}

/// The size of a buffer when there are `inputs`: a folder of a thousand files must not take a thousand times the room.
fn chunk(inputs: usize) -> usize {
    (ALL_BUFFERS / inputs.max(1)).clamp(LEAST_BUFFER, CHUNK)
}
