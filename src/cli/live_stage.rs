//! The engine of a watch and how it is heard: lines as they come, a table that is drawn anew, or nothing until the end.

use crate::capture::{Frame, InputSummary};
use crate::cli::args::{Common, InferArgs};
use crate::cli::exit::{usage, Exit};
use crate::live::engine::Engine;
use crate::report::output::Target;
use crate::report::{event, watch, Format, Plan, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the engine is told the time.
pub const LOOK_IN: Duration = Duration::from_millis(100);
/// How often the table is drawn.
const REDRAW: Duration = Duration::from_secs(1);
/// Lines of a terminal that does not tell.
const LINES: usize = 24;

/// Without a packet for so long, it is our waiting that tells the time: longer than a machine at work holds a pipe back.
const IDLE: Duration = Duration::from_millis(500);

/// How events are told.
pub enum Voice {
    /// A line each.
    Lines(BufWriter<io::Stdout>),
    /// A table that is drawn anew.
    Table {
        /// What draws it.
        bar: ProgressBar,
        /// When it was drawn last.
        drawn: Option<Instant>,
        /// How it looks.
        style: Style,
    },
    /// Not at all: standard output is for the report at the end.
    Silent,
}

/// The engine, and how it is heard.
pub struct Stage {
    /// The engine.
    pub engine: Engine,
    voice: Voice,
    from: String,
    window: Duration,
    /// Whether what is read may keep us waiting: of files, time is what their packets tell alone, and the same file gives the
    /// same events, however busy the machine is.
    pub waits: bool,
    /// When the last packet came; by our own clock.
    heard: Instant,
    /// Why no more can be told.
    failed: Option<io::Error>,
}

/// How a watch came to its end.
#[derive(Default)]
pub struct Over {
    /// What the inputs were like.
    pub inputs: Vec<InputSummary>,
    /// Why it ended early, where the input failed.
    pub failure: Option<String>,
    /// How the program is to end for that, once the report is written.
    pub exit: Option<Exit>,
}

impl Stage {
    /// An engine heard by `voice`, that listens to what is called `from`, over `window`.
    pub fn new(engine: Engine, voice: Voice, from: String, window: Duration) -> Self {
        Self {
            engine,
            voice,
            from,
            window,
            waits: true,
            heard: Instant::now(),
            failed: None,
        }
    }

    /// The last events; then the table is taken away.
    ///
    /// # Errors
    /// Why something could not be told.
    pub fn end(mut self) -> io::Result<Engine> {
        self.engine.end();
        self.tell();
        if let Voice::Table { bar, .. } = &self.voice {
            bar.finish_and_clear();
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.engine),
        }
    }

    /// Watches one frame; false once nobody listens any more.
    pub fn watch(&mut self, frame: &Frame<'_>) -> bool {
        self.engine.watch(frame);
        self.tell();
        self.heard = Instant::now();
        self.failed.is_none()
    }

    /// A word to whoever sits there: on standard error, above the table.
    pub fn say(&self, text: &str) {
        match &self.voice {
            Voice::Table { bar, .. } => bar.suspend(|| eprintln!("stp-audit: {text}")),
            _ => eprintln!("stp-audit: {text}"),
        }
    }

    /// Whether nobody listens any more.
    pub fn is_unheard(&self) -> bool {
        self.failed.is_some()
    }

    /// Tells what happened since the last time.
    fn tell(&mut self) {
        let events = self.engine.events();
        let told = match &mut self.voice {
            Voice::Lines(out) if !events.is_empty() => {
                event::write(&events, out).and_then(|()| out.flush())
            }
            _ => Ok(()),
        };
        if let Err(error) = told {
            self.failed.get_or_insert(error);
        }
    }

    /// Draws the table, if it is time.
    fn draw(&mut self) {
        let Voice::Table { bar, drawn, style } = &mut self.voice else {
            return;
        };
        if drawn.is_some_and(|at| at.elapsed() < REDRAW) {
            return;
        }
        *drawn = Some(Instant::now());
        let size = terminal_size::terminal_size_of(io::stdout());
        style.width = size.map(|(width, _)| width.0).filter(|width| *width > 0);
        let lines = size.map_or(LINES, |(_, height)| usize::from(height.0));
        if let Ok(text) = watch::text(&self.engine, &self.from, self.window, *style, lines) {
            // Which draws it.
            bar.set_message(text);
        }
    }

    /// Nothing came for a while: it has become later all the same.
    pub fn look_in(&mut self) {
        if let Some(now) = self.engine.now().filter(|_| self.waits) {
            let waited = self.heard.elapsed();
            if waited >= IDLE {
                self.engine.tick(now + waited);
                self.heard = Instant::now();
            }
        }
        self.tell();
        self.draw();
    }
}

/// Where the report goes at the end, and how events are told until then.
pub fn voice(args: &InferArgs, common: &Common) -> anyhow::Result<(Plan, Voice)> {
    let mut plan = Plan::new(args.output.format, &args.output.output).map_err(usage)?;
    let mut outputs = args.output.output.iter();
    let is_taken = outputs.any(|output| output.target == Target::Stdout);
    let terminal = io::stdout().is_terminal();
    let voice = match plan.stdout {
        _ if is_taken => Voice::Silent,
        Format::Table if terminal && common.quiet => Voice::Silent,
        Format::Table if terminal => {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(ProgressStyle::with_template("{msg}")?);
            Voice::Table {
                bar,
                drawn: None,
                style: Style::of_stdout(common.color),
            }
        }
        // What is read line by line is not to end with a table.
        Format::Table | Format::Jsonl => {
            plan.stdout = Format::Jsonl;
            Voice::Lines(BufWriter::new(io::stdout()))
        }
        _ => Voice::Silent,
    };
    Ok((plan, voice))
}
