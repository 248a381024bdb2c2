//! A result as a page of Markdown (GitHub's flavour, for its tables), for a wiki, an issue or a pull request.
//!
//! Whatever a stranger may have named is set as code where that is safe, and escaped sign by sign where it is not: it can
//! neither break a table nor become a link, a picture or HTML.

use super::human::{self, bytes, count, line};
use super::name::device_name;
use super::summary;
use super::view::View;
use crate::inference::{Device, Inference, Tally, Truth};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Evidence shown of one device.
const EVIDENCE: usize = 8;

/// Writes the view as a page.
pub fn write(view: View, inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let title = match view {
        View::Infer => "What the traffic of a home tells",
        View::Devices => "Devices of a home",
        View::Flows => "Flows of a home",
    };
    let headline = summary::headline(inference);
    writeln!(out, "# {title}\n\n{}\n", escape(&headline.join(", ")))?;
    match view {
        View::Infer => {
            devices_in_use(inference, out)?;
            activities(inference, out)?;
            if let Some(truth) = &inference.truth {
                scored(truth, inference, out)?;
            }
        }
        View::Devices => evidence(inference, out)?,
        View::Flows => flows(inference, out)?,
    }
    let remarks = summary::remarks(inference);
    if !remarks.is_empty() {
        writeln!(out, "## Remarks\n")?;
        for remark in remarks {
            writeln!(out, "- {}", escape(&remark.text))?;
        }
        writeln!(out)?;
    }
    let closing = match view {
        View::Infer => summary::closing(inference),
        View::Devices | View::Flows => format!("{}.", summary::parameters(&inference.parameters)),
    };
    let parameters = &inference.parameters;
    writeln!(
        out,
        "{} stp-audit {}, {} fingerprints, seed {}.",
        escape(&closing),
        inference.version,
        parameters.fingerprints,
        parameters.seed
    )
}

/// A table; nothing where there is no row. A heading that ends in `:` stands right, as numbers do.
pub(crate) fn table(
    out: &mut dyn Write,
    headings: &[&str],
    rows: &[Vec<String>],
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = headings
        .iter()
        .map(|heading| heading.trim_end_matches(':'))
        .collect();
    writeln!(out, "| {} |", names.join(" | "))?;
    let rules: Vec<&str> = headings
        .iter()
        .map(|heading| {
            if heading.ends_with(':') {
                "---:"
            } else {
                "---"
            }
        })
        .collect();
    writeln!(out, "| {} |", rules.join(" | "))?;
    for row in rows {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    writeln!(out)
}

fn devices_in_use(inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let servers = summary::servers(&inference.flows);
    let rows: Vec<Vec<String>> = inference
        .devices
        .iter()
        .map(|device| {
            let servers = servers.get(device.id.as_str()).copied().unwrap_or(0);
            let evidence = match device
                .evidence
                .first()
                .filter(|_| !device.candidates.is_empty())
            {
                Some(evidence) => format!("{} {}", escape(&evidence.kind), code(&evidence.value)),
                None => escape(&summary::evidence(device, servers)),
            };
            vec![
                escape(&device_name(device)),
                address(device),
                evidence,
                count(device.flows),
                bytes(device.up_bytes),
                bytes(device.down_bytes),
                count(device.activities.len() as u64),
            ]
        })
        .collect();
    let headings = [
        "Device",
        "Address",
        "Evidence",
        "Flows:",
        "Up:",
        "Down:",
        "Activities:",
    ];
    table(out, &headings, &rows)
}

fn activities(inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Vec::new();
    for device in &inference.devices {
        let name = escape(&device_name(device));
        for activity in &device.activities {
            rows.push(vec![
                name.clone(),
                human::instant(activity.start),
                human::duration(activity.end.since(activity.start)),
                escape(&activity.shape),
                escape(&activity.direction),
                rate(activity.peak_bytes_per_s),
                human::decimals(activity.sigma, 1),
                escape(activity.label.as_deref().unwrap_or("")),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Activities\n")?;
    let headings = [
        "Device",
        "Start (UTC)",
        "Lasts:",
        "Shape",
        "Direction",
        "Peak:",
        "Sigma:",
        "Label",
    ];
    table(out, &headings, &rows)
}

/// `4.3 kB/s`.
fn rate(bytes_per_s: f64) -> String {
    match bytes_per_s.is_finite() {
        // A rate has no sign, and the cast clamps what is larger than any capture's.
        true => format!("{}/s", bytes(bytes_per_s.round() as u64)),
        false => human::MISSING.to_owned(),
    }
}

fn scored(truth: &Truth, inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Labels\n")?;
    let row = |name: String, tally: &Tally| {
        let counts = [
            tally.labels,
            tally.in_window,
            tally.hit,
            tally.missed,
            tally.claims,
            tally.correct,
        ];
        let mut row = vec![name];
        row.extend(counts.map(count));
        row.push(human::percent(tally.precision, "no claims"));
        row.push(human::percent(tally.recall, "no labels"));
        row
    };
    let mut rows = Vec::new();
    for one in &truth.devices {
        let device = inference
            .devices
            .iter()
            .find(|device| device.id == one.device);
        let name = device.map_or_else(|| one.device.clone(), device_name);
        rows.push(row(escape(&name), &one.tally));
    }
    rows.push(row("**all**".to_owned(), &truth.overall));
    let headings = [
        "Device",
        "Labels:",
        "In window:",
        "Hit:",
        "Missed:",
        "Claims:",
        "Correct:",
        "Precision:",
        "Recall:",
    ];
    table(out, &headings, &rows)?;
    for text in &truth.left_out {
        writeln!(out, "- {}", escape(text))?;
    }
    if truth.left_out.is_empty() {
        return Ok(());
    }
    writeln!(out)
}

fn evidence(inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let servers = summary::servers(&inference.flows);
    let rows: Vec<Vec<String>> = inference
        .devices
        .iter()
        .map(|device| {
            let mut pieces: Vec<String> = device
                .evidence
                .iter()
                .map(|piece| {
                    let seen = human::instant(piece.at);
                    format!("{} {} ({seen})", escape(&piece.kind), code(&piece.value))
                })
                .collect();
            if pieces.is_empty() {
                let servers = servers.get(device.id.as_str()).copied().unwrap_or(0);
                pieces.push(escape(&summary::evidence(device, servers)));
            }
            let candidates: Vec<String> = device
                .candidates
                .iter()
                .map(|one| format!("{} {}", escape(&one.name), human::decimals(one.score, 3)))
                .collect();
            vec![
                escape(&device_name(device)),
                address(device),
                device.mac.as_deref().map_or_else(String::new, code),
                human::listed(&candidates, EVIDENCE, "<br>"),
                human::listed(&pieces, EVIDENCE, "<br>"),
            ]
        })
        .collect();
    let headings = [
        "Device",
        "Address",
        "MAC",
        "Candidates",
        "Evidence (first seen, UTC)",
    ];
    table(out, &headings, &rows)
}

fn flows(inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let names: BTreeMap<&str, String> = inference
        .devices
        .iter()
        .map(|device| (device.id.as_str(), device_name(device)))
        .collect();
    let rows: Vec<Vec<String>> = inference
        .flows
        .iter()
        .map(|flow| {
            let device = flow.device.as_deref().unwrap_or(human::MISSING);
            vec![
                escape(names.get(device).map_or(device, String::as_str)),
                escape(&flow.protocol),
                code(&human::endpoint(&flow.local, flow.local_port)),
                code(&human::endpoint(&flow.remote, flow.remote_port)),
                flow.domain.as_deref().map_or_else(String::new, code),
                count(flow.folded.unwrap_or(1)),
                count(flow.packets),
                bytes(flow.up_bytes),
                bytes(flow.down_bytes),
                human::instant(flow.first),
                human::duration(flow.last.since(flow.first)),
            ]
        })
        .collect();
    let headings = [
        "Device",
        "Protocol",
        "Local",
        "Remote",
        "Name",
        "Flows:",
        "Packets:",
        "Up:",
        "Down:",
        "First (UTC)",
        "Lasts:",
    ];
    table(out, &headings, &rows)
}

fn address(device: &Device) -> String {
    device.address.as_deref().map_or_else(String::new, code)
}

/// A text as code: nothing in it is markup, and nothing becomes a link.
///
/// A grave accent would end the code, and tables are cut at bars before code is found, with rules on backslashes that
/// renderers do not agree on: texts with any of them are escaped instead.
pub(crate) fn code(text: &str) -> String {
    let text = line(text);
    match text.is_empty() || text.contains(['`', '|', '\\']) || text.trim() != text {
        true => escape(&text),
        false => format!("`{text}`"),
    }
}

/// A text in which no sign is markup (CommonMark 0.31, 2.4; bars as GitHub's tables want them).
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for character in line(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use insta::assert_snapshot;

    fn page(view: View, inference: &Inference) -> String {
        let mut out = Vec::new();
        write(view, inference, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_view_is_a_page() {
        for view in View::ALL {
            assert_snapshot!(page(view, &sample::scored()));
        }
    }

    #[test]
    fn nothing_read_is_a_page_too() {
        assert_snapshot!(page(View::Infer, &sample::empty()));
    }

    #[test]
    fn signs_of_markup_are_escaped() {
        assert_eq!(escape("a|b"), "a\\|b");
        assert_eq!(escape("<b>&"), "&lt;b&gt;&amp;");
        assert_eq!(escape("[x](http://e)"), "\\[x\\](http://e)");
        assert_eq!(escape("![x]"), "\\!\\[x\\]");
        assert_eq!(escape("`*_~#$"), "\\`\\*\\_\\~\\#\\$");
        assert_eq!(escape("\\|"), "\\\\\\|", "no bar stands free");
        assert_eq!(escape("a\nb"), "a\\\\u{a}b");
    }

    #[test]
    fn names_are_code_unless_they_could_break_out() {
        assert_eq!(code("api.xbcs.net"), "`api.xbcs.net`");
        assert_eq!(code("<script>"), "`<script>`");
        assert_eq!(code("a`b"), "a\\`b");
        assert_eq!(code("a|b"), "a\\|b");
        assert_eq!(code(""), "");
    }

    #[test]
    fn a_hostile_name_breaks_no_table() {
        for view in View::ALL {
            let hostile = page(view, &sample::hostile());
            let honest = page(view, &sample::scored());
            let shape = |page: &str| -> Vec<usize> {
                let free = |row: &str| {
                    let bare = row.replace("\\\\", "").replace("\\|", "");
                    bare.matches('|').count()
                };
                page.lines().map(free).collect()
            };
            assert_eq!(shape(&hostile), shape(&honest), "{hostile}");
            assert!(!hostile.contains("\n# heading"), "{hostile}");
            assert!(!hostile.contains("<script>"), "{hostile}");
        }
    }
}
