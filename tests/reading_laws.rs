//! Laws of reading captures, on generated and on arbitrary bytes.

mod captures;

use captures::*;
use proptest::prelude::*;
use stp_audit::capture::{Options, Reader};

const SECOND: i64 = 1_000_000_000;

/// A record as a generator makes it.
#[derive(Clone, Debug)]
struct Made {
    seconds: u32,
    nanos: u32,
    more: u32,
    data: Vec<u8>,
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let one = (
        any::<u32>(),
        0u32..1_000_000_000,
        0u32..3000,
        prop::collection::vec(any::<u8>(), 0..200),
    );
    prop::collection::vec(
        one.prop_map(|(seconds, nanos, more, data)| Made {
            seconds,
            nanos,
            more,
            data,
        }),
        0..40,
    )
}

proptest! {
    /// What is written is read, in any order of bytes, however the bytes come.
    #[test]
    fn records_survive_the_round_trip(records in made(), big: bool, step in 1usize..5000) {
        let order = if big { Big } else { Little };
        let expected: Vec<Kept> = records
            .iter()
            .map(|r| kept(
                i64::from(r.seconds) * SECOND + i64::from(r.nanos),
                r.data.len() as u32 + r.more,
                &r.data,
            ))
            .collect();
        let classic = records.iter().fold(Pcap::new(order, NANOS, 1), |file, r| {
            file.record(r.seconds, r.nanos, r.data.len() as u32 + r.more, &r.data)
        });
        let ng = Pcapng::new(order).interface(1, 0, &[(9, &[9])]);
        let ng = records.iter().fold(ng, |file, r| {
            let count = u64::from(r.seconds) * SECOND as u64 + u64::from(r.nanos);
            file.enhanced(0, count, r.data.len() as u32 + r.more, &r.data)
        });
        for bytes in [&classic.bytes, &ng.bytes, &gzip(&classic.bytes), &zstd(&ng.bytes)] {
            let reader = Reader::from_read("test", drip(bytes, step), &Options::default()).unwrap();
            let (frames, summaries) = drain(reader).unwrap();
            prop_assert_eq!(&frames, &expected);
            prop_assert_eq!(&summaries[0].truncated, &None);
            prop_assert_eq!(summaries[0].first, expected.first().map(|f| f.at));
            prop_assert_eq!(summaries[0].last, expected.last().map(|f| f.at));
            prop_assert_eq!(summaries[0].earliest, expected.iter().map(|f| f.at).min());
            prop_assert_eq!(summaries[0].latest, expected.iter().map(|f| f.at).max());
        }
    }

    /// Merged files hold what the files hold; sorted ones come out sorted.
    #[test]
    fn merging_loses_nothing(mut a in made(), mut b in made(), sorted: bool) {
        let mut whole: Vec<i64> = Vec::new();
        let mut inputs = Vec::new();
        for records in [&mut a, &mut b] {
            if sorted {
                records.sort_by_key(|r| (r.seconds, r.nanos));
            }
            whole.extend(records.iter().map(|r| i64::from(r.seconds) * SECOND + i64::from(r.nanos)));
            let file = records.iter().fold(Pcap::new(Little, NANOS, 1), |file, r| {
                file.record(r.seconds, r.nanos, r.data.len() as u32, &r.data)
            });
            inputs.push(("test".to_owned(), boxed(&file.bytes)));
        }
        let reader = Reader::from_reads(inputs, &Options::default()).unwrap();
        let mut times: Vec<i64> = drain(reader).unwrap().0.iter().map(|f| f.at.0).collect();
        whole.sort_unstable();
        if !sorted {
            times.sort_unstable();
        }
        prop_assert_eq!(times, whole);
    }

    /// Arbitrary bytes, also behind a good beginning, neither panic nor yield more bytes than there are.
    #[test]
    fn arbitrary_bytes_do_no_harm(
        noise in prop::collection::vec(any::<u8>(), 0..2000),
        begin in 0usize..6,
        filtered: bool,
    ) {
        let good = match begin {
            0 => Vec::new(),
            1 => Pcap::new(Little, MICROS, 1).bytes,
            2 => Pcap::new(Big, MODIFIED, 0xf400_0000).bytes,
            3 => Pcapng::new(Little).interface(1, 0, &[]).bytes,
            4 => Pcapng::new(Big).interface(0, 0, &[(9, &[0xff])]).simple(1, b"x").bytes,
            _ => vec![0x1f, 0x8b, 8, 0],
        };
        harmless([good, noise].concat(), filtered)?;
    }

    /// So do good files with a few bytes changed.
    #[test]
    fn changed_files_do_no_harm(
        records in made(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ng: bool,
    ) {
        let mut bytes = if ng {
            let file = Pcapng::new(Little).interface(1, 96, &[(9, &[9]), (14, &[0; 8])]);
            records.iter().fold(file, |file, r| file.enhanced(0, u64::from(r.nanos), 9, &r.data)).bytes
        } else {
            records.iter().fold(Pcap::new(Little, MICROS, 1), |file, r| {
                file.record(r.seconds, r.nanos, 1514, &r.data)
            }).bytes
        };
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        harmless(bytes, false)?;
    }
}

fn harmless(bytes: Vec<u8>, filtered: bool) -> Result<(), TestCaseError> {
    let options = Options {
        filter: filtered.then(|| "ip or less 100".to_owned()),
        hash: true,
        ..Options::default()
    };
    let size = bytes.len();
    let Ok(reader) = Reader::from_read("test", boxed(&bytes), &options) else {
        return Ok(());
    };
    let compressed = reader.summaries()[0].format.contains('+');
    let (frames, _) = drain(reader).unwrap();
    let total: usize = frames.iter().map(|f| f.data.len()).sum();
    prop_assert!(compressed || total <= size);
    for frame in frames {
        prop_assert!(frame.data.len() <= frame.wire_len as usize);
    }
    Ok(())
}
