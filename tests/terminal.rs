//! What people see at a terminal while `capture` and `infer -i` run: on a pseudo-terminal that `script` opens, in a network
//! namespace. Where there is no `script`, or nobody may make a namespace, each test says so and is passed over.

mod network;
mod program;

use network::Network;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes longer, on a machine that others keep busy too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes away what stands on the cursor's line.
const ERASE: &str = "\x1b[2K";

/// A terminal of so many columns and lines, as far as we ask for one. What scrolls out at the top is kept.
struct Screen {
    columns: usize,
    height: usize,
    /// All lines there ever were; the last `height` are on the screen.
    lines: Vec<Vec<char>>,
    /// The cursor; behind the last column once that was written to.
    column: usize,
    line: usize,
    painted: bool,
}

impl Screen {
    fn new(columns: usize, height: usize) -> Self {
        Self {
            columns,
            height,
            lines: vec![Vec::new(); height],
            column: 0,
            line: 0,
            painted: false,
        }
    }

    fn down(&mut self) {
        self.line += 1;
        if self.line == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }

    fn show(&mut self, text: &str) {
        let mut left = text.chars();
        while let Some(character) = left.next() {
            match character {
                '\r' => self.column = 0,
                '\n' => self.down(),
                '\x1b' => {
                    assert_eq!(left.next(), Some('['), "another kind of escape");
                    let mut number = String::new();
                    let kind = left.by_ref().find(|next| {
                        let goes_on = next.is_ascii_digit() || *next == ';';
                        number.extend(goes_on.then_some(*next));
                        !goes_on
                    });
                    self.escape(kind.unwrap(), &number);
                }
                other => {
                    assert!(!other.is_control(), "{other:?}");
                    if self.column == self.columns {
                        self.column = 0;
                        self.down();
                    }
                    let line = &mut self.lines[self.line];
                    line.resize(line.len().max(self.column + 1), ' ');
                    line[self.column] = other;
                    self.column += 1;
                }
            }
        }
    }

    fn escape(&mut self, kind: char, number: &str) {
        let count = number.parse().unwrap_or(1);
        let top = self.lines.len() - self.height;
        match kind {
            'A' => self.line = self.line.saturating_sub(count).max(top),
            'B' => self.line = (self.line + count).min(self.lines.len() - 1),
            'K' => {
                assert_eq!(number, "2", "the whole line");
                self.lines[self.line].clear();
            }
            'm' => self.painted = true,
            other => panic!("an escape this terminal does not know: {other}"),
        }
    }

    /// The lines that hold something.
    fn text(&self) -> Vec<String> {
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().collect::<String>());
        lines
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// What has scrolled out at the top.
    fn gone(&self) -> String {
        let gone = self.lines.len() - self.height;
        self.lines[..gone].concat().iter().collect()
    }
}

/// What is written to a terminal of this size by the program with these words, while packets pass; Ctrl-C is pressed once `shows`
/// was to be read there.
fn typed(
    network: &Network,
    (columns, lines): (usize, usize),
    words: &str,
    shows: &str,
    color: bool,
) -> String {
    let log = network.path("typescript");
    let program = env!("CARGO_BIN_EXE_stp-audit");
    let line = format!("stty cols {columns} rows {lines}; exec {program} {words}");
    let mut command = network.words(&["script", "-qefc", &line, &log]);
    command.env("TERM", "xterm").env_remove("COLUMNS");
    match color {
        true => command.env_remove("NO_COLOR"),
        false => command.env("NO_COLOR", "1"),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(500));
        network.send(7, 300);
    }
    let begun = Instant::now();
    let read = || std::fs::read_to_string(&log).unwrap();
    while !read().contains(shows) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", read());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    child.wait().unwrap();
    let text = read();
    // Script says above and below what it does.
    let (_, text) = text.split_once('\n').unwrap();
    let (text, _) = text.rsplit_once("\nScript done").unwrap();
    // What the terminal itself echoes of the key.
    text.replace("^C", "")
}

fn terminal() -> Option<Network> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script is absent, which opens a terminal");
        return None;
    }
    Network::new()
}

#[test]
fn the_line_of_a_recording_stays_one_line_and_is_taken_away() {
    let Some(network) = terminal() else { return };
    for (columns, sees) in [
        (100, "35 packets  none dropped"),
        (40, "35 packets  none dropped"),
        (22, "35 packets"),
    ] {
        let file = network.path("home.pcapng");
        let words = format!("capture -i b0 -f udp -Z root -w {file}");
        let text = typed(&network, (columns, 24), &words, sees, false);
        let drawn = |part: &&str| part.trim_start().starts_with("00:00:0");
        let mut screen = Screen::new(columns, 24);
        let mut seen = Vec::new();
        for (number, part) in text.split(ERASE).enumerate() {
            screen.show(if number > 0 { ERASE } else { "" });
            screen.show(part);
            let lines = screen.text();
            let status: Vec<&str> = lines.iter().map(String::as_str).filter(drawn).collect();
            assert!(status.len() < 2, "{columns}: {status:?}");
            seen.extend(status.first().map(|line| (*line).to_owned()));
        }
        // It never went up a line to take away what it drew: that was one.
        assert!(!text.contains("\x1b[1A"), "{columns}: {text:?}");
        assert!(!screen.painted, "{text:?}");
        let lines = screen.text();
        assert!(!lines.iter().any(|line| drawn(&line.as_str())), "{lines:?}");
        // What is said above it, and at the end, is whole; blanks are lost where the terminal broke a line.
        let whole = lines.concat().replace(' ', "");
        for words in ["sandbox:user", "recordingfromb0", "35packetsrecorded"] {
            assert!(whole.contains(words), "{columns}: {lines:?}");
        }
        // Each second, and not twice.
        assert!(seen.len() > 2, "{columns}: {text:?}");
        assert!(!whole.contains("leftonthedisk"), "{lines:?}");
        assert_eq!(text.contains("left on the disk"), columns == 100);
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn the_table_of_a_watch_is_drawn_anew_in_its_place() {
    let Some(network) = terminal() else { return };
    let words = "infer -i b0 -f udp -Z root --warm-up 0";
    for (columns, height, color) in [(120, 24, true), (80, 24, false), (40, 12, false)] {
        let text = typed(&network, (columns, height), words, "35 packets", color);
        assert!(text.matches("b0  20").count() > 1, "{text:?}");
        let mut screen = Screen::new(columns, height);
        // Up to where it is taken away for the last time; then comes the report.
        let (watch, report) = text.rsplit_once(ERASE).unwrap();
        for (number, part) in watch.split(ERASE).enumerate() {
            screen.show(if number > 0 { ERASE } else { "" });
            screen.show(part);
            let lines = screen.text();
            let of = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
            // One table, or none where one is being taken away.
            for words in ["b0  20", "DEVICE", "Ctrl-C"] {
                assert!(of(words) < 2, "{lines:#?}");
            }
            // What was said above it makes room, and no line of the table itself is out of reach.
            let gone = screen.gone();
            assert!(!gone.contains("b0") && !gone.contains("DEVICE"), "{gone:?}");
        }
        screen.show(ERASE);
        let left = screen.text().concat();
        assert!(left.starts_with("stp-audit: sandbox: "), "{left:?}");
        assert!(
            !left.contains("b0 ") && !left.contains("DEVICE"),
            "{left:?}"
        );
        assert!(report.contains("packets  1 device"), "{report:?}");
        screen.show(report);
        assert_eq!(screen.painted, color, "{text:?}");
    }
}
