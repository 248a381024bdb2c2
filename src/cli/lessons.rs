//! What adversaries learn that do, as `defend` and `score` were asked for: who they are, what they are taught on, what they knew
//! before.

use crate::adversary::priors::read as read_priors;
use crate::adversary::{find_pupil, PupilRow, Schooling};
use crate::audit::memory::{Memory, Shared};
use crate::audit::saved::{self, Learned};
use crate::audit::school::{answering, lessons_of, Teaching};
use crate::audit::Audited;
use crate::cli::args::{AdversaryArgs, Common, TaughtArgs};
use crate::cli::auditing::pupils;
use crate::cli::exit::usage;
use crate::cli::homes::Ground;
use crate::cli::pieces::{pieces, rounds};
use crate::trace::Trace;
use crate::units::Span;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What they are taught on.
enum From {
    /// Other days of the same home, or, of homes that are made up, others of the same kind.
    DaysOrHomes(Vec<Trace>),
    /// Pieces of other hours or homes, so many times each.
    Pieces(Vec<Trace>, u32),
    /// The wire that they are asked about.
    SameWire,
}

/// Who is taught, and on what.
pub struct Lessons {
    /// Those that were asked for, in the order of their list.
    pub pupils: Vec<&'static PupilRow>,
    schooling: Schooling,
    from: From,
    known: Option<Learned>,
    /// Whether what is known was learned from the very trace that is asked about.
    of_own: bool,
}

impl Lessons {
    /// As it was asked for of a home that can be defended anew.
    ///
    /// # Errors
    /// As [`on_the_same_wire`](Self::on_the_same_wire).
    pub fn of(
        adversaries: &AdversaryArgs,
        taught: &TaughtArgs,
        ground: &Ground,
        common: &Common,
    ) -> anyhow::Result<Self> {
        let lessons = Self::on_the_same_wire(adversaries, taught)?;
        let others = match lessons.learns() {
            true => ground.others(lessons_of(&ground.trace), common)?,
            false => Vec::new(),
        };
        Ok(Self {
            from: From::DaysOrHomes(others),
            ..lessons
        })
    }

    /// As it was asked for of a home whose wire is all that is known of the defense.
    ///
    /// # Errors
    /// What is of no use without an adversary that learns; a file that is none.
    pub fn on_the_same_wire(
        adversaries: &AdversaryArgs,
        taught: &TaughtArgs,
    ) -> anyhow::Result<Self> {
        let mut pupils = pupils(adversaries);
        if taught.ladder && !pupils.iter().any(|row| row.name == "learned") {
            pupils.splice(0..0, find_pupil("learned"));
        }
        for (option, given) in [
            ("--save-model", taught.save_model.is_some()),
            ("--load-model", taught.load_model.is_some()),
        ] {
            if given && pupils.is_empty() {
                return Err(usage(format!(
                    "{option} is about adversaries that learn, and none was asked for: add --adversary learned"
                )));
            }
        }
        if taught.priors.is_some() && !pupils.iter().any(|row| row.name == "priors") {
            return Err(usage(
                "--priors is what the adversary priors knows, which was not asked for: add --adversary priors",
            ));
        }
        let priors = taught.priors.as_deref().map(read_priors).transpose();
        let priors = priors.map_err(|error| usage(error.to_string()))?;
        let known = taught.load_model.as_deref();
        let known = known.map(saved::read_learned).transpose();
        let known = known.map_err(|error| usage(error.to_string()))?;
        Ok(Self {
            pupils,
            schooling: Schooling {
                priors,
                ..Schooling::default()
            },
            from: From::SameWire,
            known,
            of_own: false,
        })
    }

    /// Whether anybody is to be taught anything.
    pub fn learns(&self) -> bool {
        !self.pupils.is_empty() && self.known.is_none()
    }

    /// The same where only a part of a home's time is judged: taught on pieces as long as that, of the other homes where there
    /// are some, or of the rest of `whole`. What is judged is never taught.
    #[must_use]
    pub fn in_pieces(self, whole: &Trace, judged: Span) -> Self {
        if !self.learns() {
            return self;
        }
        let length = judged.duration();
        let pieces = match &self.from {
            From::DaysOrHomes(others) if !others.is_empty() => pieces(others, None, length),
            _ => pieces(std::slice::from_ref(whole), Some(judged), length),
        };
        let rounds = rounds(&pieces);
        Self {
            from: From::Pieces(pieces, rounds),
            ..self
        }
    }

    /// The same for this trace: models from a file that learned from it answer each part by who learned from the others.
    ///
    /// # Errors
    /// Models that learned from a part of it, and would remember that.
    pub fn asked_about(self, trace: &Trace) -> anyhow::Result<Self> {
        let shared = self
            .known
            .as_ref()
            .map(|of| of.taught_on.shared_with(trace));
        match shared {
            Some(Shared::Some) => Err(usage(
                "--load-model: these models learned from a part of what they would be asked about, and would remember what they \
                 were told there: give a capture of other days, or leave --load-model away, and each day is answered by who \
                 learned from the others",
            )),
            shared => Ok(Self {
                of_own: shared == Some(Shared::All),
                ..self
            }),
        }
    }

    /// What is to be kept of an audit of this trace.
    pub fn learned(&self, trace: &Trace, audited: &Audited) -> Learned {
        let taught_on = match &self.from {
            From::DaysOrHomes(homes) if !homes.is_empty() => Memory::of(homes),
            From::Pieces(pieces, _) => Memory::of(pieces),
            From::DaysOrHomes(_) | From::SameWire => Memory::of([trace]),
        };
        Learned {
            models: audited.models.clone(),
            by_fold: audited.by_fold.clone(),
            taught_on,
        }
    }

    /// The same, as the audit takes it.
    pub fn teaching<'a>(&'a self, args: &TaughtArgs) -> Teaching<'a> {
        let (others, rounds): (&[Trace], u32) = match &self.from {
            From::DaysOrHomes(others) => (others, 1),
            From::Pieces(pieces, rounds) => (pieces, *rounds),
            From::SameWire => (&[], 1),
        };
        Teaching {
            pupils: &self.pupils,
            schooling: self.schooling,
            others,
            rounds,
            own_days: !matches!(self.from, From::Pieces(..)),
            ladder: args.ladder,
            known: self.known.as_ref().map(|of| &of.models),
            known_by_fold: self
                .known
                .as_ref()
                .map(|of| &of.by_fold)
                .filter(|_| self.of_own),
            keep: args.save_model.is_some(),
        }
    }

    /// What is to be doubted about models from a file that answer for a wire of a defense of that name, of which nothing else
    /// is known.
    pub fn learned_elsewhere(&self, defense: &str) -> Option<String> {
        let known = self.known.as_ref().filter(|_| !self.pupils.is_empty())?;
        let known = &known.models;
        Some(match answering(known, defense) {
            Some(_) if self.of_own => return None,
            Some(of) => format!(
                "adversaries that learned did so on other wires, of {of}: of another defense they may know less than can be \
                 learned, and of the same days they would remember what they were told"
            ),
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                format!(
                    "the loaded models are of {}: --name says which of them this wire is held against",
                    names.join(", ")
                )
            }
        })
    }

    /// What steers them, for the report.
    pub fn tell(&self, args: &TaughtArgs, parameters: &mut BTreeMap<String, Value>) {
        if self.pupils.is_empty() {
            return;
        }
        let seconds = |pieces: &[Trace]| {
            let all = pieces.iter().map(|piece| piece.window.duration());
            all.max().unwrap_or(Duration::ZERO).as_secs_f64()
        };
        let learned_from = match (&self.known, &self.from) {
            (Some(_), _) if self.of_own => {
                "a file, of this very capture: each part is answered by who learned from the others"
                    .to_owned()
            }
            (Some(_), _) => "a file".to_owned(),
            (None, From::DaysOrHomes(homes)) => match homes.len() {
                0 => "other days of the same capture, with other coins".to_owned(),
                homes => format!("{homes} other homes of the same kind"),
            },
            (None, From::Pieces(pieces, rounds)) => format!(
                "{} other times of {:.0} s at home, {rounds} times each, with other coins",
                pieces.len(),
                seconds(pieces)
            ),
            (None, From::SameWire) => {
                "other days, or eighths, of the same wire; no other coins".to_owned()
            }
        };
        parameters.insert("learned_from".into(), json!(learned_from));
        parameters.insert("trees".into(), json!(self.schooling.growth.trees));
        parameters.insert("tree_depth".into(), json!(self.schooling.growth.depth));
        if let Some(path) = &args.priors {
            parameters.insert("priors".into(), json!(path));
        }
        if let Some(path) = &args.load_model {
            parameters.insert("load_model".into(), json!(path));
        }
    }
}
