//! Labels: what truly happened, as a CSV with the columns `start,end,device,activity`.
//!
//! Times are RFC 3339 (`2024-04-16T08:34:12.524Z`, any offset) or seconds since 1970 with up to nine decimals; an instant has
//! an end equal to its start, or none. `device` is an id, a name, an IP address or a MAC address. Columns may stand in any
//! order and others beside them; of these, `tolerance_s` says how many seconds from the truth a claim may lie, where whoever wrote
//! the file knows that better than the default, and `traffic_start` and `traffic_end` when its traffic passed, where it is known
//! and need not be looked for. Lines that begin with `#` are remarks.

use crate::units::{Span, Timestamp, NANOS};
use std::io::Read;
use std::time::Duration;

/// Most labels of a file: a year of one a second is 32 million, a person's diary is not.
const LABELS_MAX: usize = 1_000_000;

/// The columns, as the header names them.
const COLUMNS: [&str; 4] = ["start", "end", "device", "activity"];

/// One thing that truly happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// From when to when.
    pub span: Span,
    /// The device, as the file names it.
    pub device: String,
    /// What happened.
    pub activity: String,
    /// How far from it a claim may lie, where the file says that.
    pub tolerance: Option<Duration>,
    /// From when to when its traffic passed, where the file says that.
    pub traffic: Option<Span>,
}

/// The column that says how far from the truth a claim may lie, in seconds.
pub const TOLERANCE: &str = "tolerance_s";
/// The columns that say when the traffic of an activity passed.
pub const TRAFFIC: [&str; 2] = ["traffic_start", "traffic_end"];

/// How far from these labels claims may lie: the farthest that any says, if each says it.
pub fn told_tolerance(labels: &[Label]) -> Option<Duration> {
    let told: Option<Vec<Duration>> = labels.iter().map(|label| label.tolerance).collect();
    told?.into_iter().max()
}

/// Why labels cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file does not read as CSV.
    #[error("{name}: not read as CSV: {source}; it wants a header `start,end,device,activity` and one event a line")]
    Csv {
        /// The file.
        name: String,
        /// What the CSV reader says, with the line.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("{name}: no column `{column}`; the header must hold start, end, device and activity")]
    Column {
        /// The file.
        name: String,
        /// The column.
        column: &'static str,
    },
    /// A time does not read.
    #[error("{name}: line {line}: {column} `{value}` is no time; write 2024-04-16T08:34:12.5Z or seconds since 1970")]
    Time {
        /// The file.
        name: String,
        /// Line, from 1.
        line: u64,
        /// `start` or `end`.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// A tolerance does not read.
    #[error("{name}: line {line}: tolerance_s `{value}` is no number of seconds; write one from 0 on, as 1, or leave it empty")]
    Tolerance {
        /// The file.
        name: String,
        /// Line, from 1.
        line: u64,
        /// What stands there.
        value: String,
    },
    /// An event ends before it starts.
    #[error("{name}: line {line}: the end is before the start; swap them, or leave the end empty for an instant")]
    Backwards {
        /// The file.
        name: String,
        /// Line, from 1.
        line: u64,
    },
    /// An event of nobody.
    #[error("{name}: line {line}: no device; write its id, name, IP address or MAC address")]
    Device {
        /// The file.
        name: String,
        /// Line, from 1.
        line: u64,
    },
    /// Too many.
    #[error("{name}: more than {LABELS_MAX} labels; split the file")]
    Many {
        /// The file.
        name: String,
    },
}

/// Reads labels; `name` is for messages. They come in the file's order.
///
/// # Errors
/// The first line that does not read, by its number.
pub fn read_labels(from: impl Read, name: &str) -> Result<Vec<Label>, LabelsError> {
    let wrong = |source| LabelsError::Csv {
        name: name.to_owned(),
        source,
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(from);
    let header = reader.headers().map_err(wrong)?;
    let mut at = [0usize; 4];
    for (at, column) in at.iter_mut().zip(COLUMNS) {
        *at = header
            .iter()
            .position(|field| {
                field
                    .trim_start_matches('\u{feff}')
                    .eq_ignore_ascii_case(column)
            })
            .ok_or_else(|| LabelsError::Column {
                name: name.to_owned(),
                column,
            })?;
    }
    let [start_at, end_at, device_at, activity_at] = at;
    let beside = |name: &str| {
        let mut fields = header.iter();
        fields.position(|field| field.eq_ignore_ascii_case(name))
    };
    let tolerance_at = beside(TOLERANCE);
    let traffic_at = TRAFFIC.map(beside);

    let mut labels = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: usize| record.get(at).unwrap_or("");
        let time = |at, column| {
            parse_time(field(at)).ok_or_else(|| LabelsError::Time {
                name: name.to_owned(),
                line,
                column,
                value: field(at).to_owned(),
            })
        };
        let span = |from, to, names: [&'static str; 2]| {
            let start = time(from, names[0])?;
            let end = match field(to) {
                "" => start,
                _ => time(to, names[1])?,
            };
            if end < start {
                return Err(LabelsError::Backwards {
                    name: name.to_owned(),
                    line,
                });
            }
            Ok(Span::new(start, end))
        };
        let told = span(start_at, end_at, ["start", "end"])?;
        let traffic = match traffic_at {
            [Some(from), Some(to)] if !field(from).is_empty() => Some(span(from, to, TRAFFIC)?),
            _ => None,
        };
        if field(device_at).is_empty() {
            return Err(LabelsError::Device {
                name: name.to_owned(),
                line,
            });
        }
        let tolerance = match tolerance_at.map_or("", field) {
            "" => None,
            text => {
                let seconds = text.parse().ok();
                let told = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                Some(told.ok_or_else(|| LabelsError::Tolerance {
                    name: name.to_owned(),
                    line,
                    value: text.to_owned(),
                })?)
            }
        };
        if labels.len() == LABELS_MAX {
            return Err(LabelsError::Many {
                name: name.to_owned(),
            });
        }
        labels.push(Label {
            span: told,
            device: field(device_at).to_owned(),
            activity: field(activity_at).to_owned(),
            tolerance,
            traffic,
        });
    }
    Ok(labels)
}

/// RFC 3339, or seconds since 1970 with decimals.
fn parse_time(text: &str) -> Option<Timestamp> {
    if let Some(at) = parse_seconds(text) {
        return Some(at);
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok().map(Timestamp)
}

/// Seconds since 1970, to the nanosecond: no floating point, which has not that many digits. Further decimals are cut off.
fn parse_seconds(text: &str) -> Option<Timestamp> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !all_digits(digits) || !all_digits(decimals) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let mut nanos = 0i64;
    let mut worth = NANOS / 10;
    for digit in decimals.bytes().take(9) {
        nanos += i64::from(digit - b'0') * worth;
        worth /= 10;
    }
    if whole.starts_with('-') {
        nanos = -nanos;
    }
    seconds
        .checked_mul(NANOS)?
        .checked_add(nanos)
        .map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Label>, LabelsError> {
        read_labels(text.as_bytes(), "labels.csv")
    }

    fn at(seconds: i64, nanos: i64) -> Timestamp {
        Timestamp::new(seconds, nanos)
    }

    #[test]
    fn a_file_may_say_how_far_claims_may_lie() {
        let text = "start,end,device,activity,tolerance_s\n1,2,plug,on,1\n3,4,plug,off,2.5\n";
        let labels = read(text).unwrap();
        assert_eq!(told_tolerance(&labels), Some(Duration::from_millis(2_500)));
        // Where one label does not say it, the default holds for all.
        let labels = read(&text.replace("off,2.5", "off,")).unwrap();
        assert_eq!(told_tolerance(&labels), None);
        assert_eq!(told_tolerance(&[]), None);
        for bad in ["x", "-1", "nan", "inf", "1e300"] {
            let error = read(&text.replace("2.5", bad)).unwrap_err().to_string();
            assert!(error.contains("line 3: tolerance_s"), "{error}");
        }
    }

    #[test]
    fn a_file_may_say_when_traffic_passed() {
        let text = "start,end,device,activity,traffic_start,traffic_end\n1,2,plug,on,1.5,4\n3,4,plug,off,,\n5,,bulb,on,6,\n";
        let traffic: Vec<Option<Span>> = read(text).unwrap().iter().map(|l| l.traffic).collect();
        let lasting = Span::new(at(1, 500_000_000), at(4, 0));
        assert_eq!(traffic, [Some(lasting), None, Some(Span::at(at(6, 0)))]);
        let error = read(&text.replace("1.5,4", "4,x")).unwrap_err().to_string();
        assert!(error.contains("line 2: traffic_end `x`"), "{error}");
        assert!(read(&text.replace("1.5,4", "4,1.5")).is_err());
    }

    #[test]
    fn both_ways_to_write_times() {
        let labels = read(
            "start,end,device,activity\n\
             2023-11-14T22:13:20.5Z,2023-11-14T23:13:21+01:00,192.168.1.5,on\n\
             1700000000.25,,aa:bb:cc:dd:ee:ff,off\n\
             -1.5,-1,plug,\n",
        )
        .unwrap();
        assert_eq!(
            labels[0].span,
            Span::new(at(1_700_000_000, 500_000_000), at(1_700_000_001, 0))
        );
        assert_eq!(labels[0].device, "192.168.1.5");
        assert_eq!(labels[1].span, Span::at(at(1_700_000_000, 250_000_000)));
        assert_eq!(labels[1].activity, "off");
        assert_eq!(labels[2].span, Span::new(at(-1, -500_000_000), at(-1, 0)));
    }

    #[test]
    fn columns_in_any_order_with_others_and_remarks() {
        let labels = read(
            "\u{feff}Device, activity ,note,start,end\n# a remark\n\"my, plug\", on ,x,5, 6 \n",
        )
        .unwrap();
        assert_eq!(labels.len(), 1);
        assert_eq!(labels[0].device, "my, plug");
        assert_eq!(labels[0].activity, "on");
        assert_eq!(labels[0].span, Span::new(at(5, 0), at(6, 0)));
    }

    #[test]
    fn errors_name_the_line() {
        let header = "start,end,device,activity\n";
        for (text, says) in [
            ("start,end,activity\n1,2,on\n".to_owned(), "`device`"),
            (
                format!("{header}1,2,plug,on\nyesterday,2,plug,on\n"),
                "line 3: start `yesterday`",
            ),
            (
                format!("{header}1,2021-13-01T00:00:00Z,plug,on\n"),
                "line 2: end",
            ),
            (
                format!("{header}2,1,plug,on\n"),
                "line 2: the end is before",
            ),
            (format!("{header}1,2,,on\n"), "line 2: no device"),
            (format!("{header}1,2,plug\n"), "line: 2"),
            (format!("{header}1e9,2,plug,on\n"), "1e9"),
            (
                format!("{header}99999999999999999999,,plug,on\n"),
                "no time",
            ),
            (
                format!("{header}9999-01-01T00:00:00Z,,plug,on\n"),
                "no time",
            ),
            (String::new(), "`start`"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with("labels.csv: "), "{error}");
            assert!(error.contains(says), "`{error}` does not say `{says}`");
        }
    }

    #[test]
    fn no_labels_are_no_error() {
        assert_eq!(read("start,end,device,activity\n").unwrap(), []);
    }

    #[test]
    fn nanoseconds_are_exact() {
        assert_eq!(
            parse_seconds("1713256452.524000001999"),
            Some(at(1_713_256_452, 524_000_001))
        );
        assert_eq!(parse_seconds("-0.5"), Some(at(0, -500_000_000)));
        for text in [
            "",
            ".",
            "-",
            "1.2.3",
            "+1",
            "0x10",
            "1_000",
            "NaN",
            "9223372037",
        ] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }
}
