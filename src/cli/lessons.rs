//! What adversaries learn that do, as `defend` was asked for: who they are, what they are taught on, what they knew before.

use crate::adversary::priors::read as read_priors;
use crate::adversary::{find_pupil, PupilRow, Schooling};
use crate::audit::saved;
use crate::audit::school::{lessons_of, Models, Teaching};
use crate::cli::args::{Common, DefendArgs, TaughtArgs};
use crate::cli::auditing::pupils;
use crate::cli::exit::usage;
use crate::cli::homes::Ground;
use crate::trace::Trace;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// Who is taught, and on what.
pub struct Lessons {
    /// Those that were asked for, in the order of their list.
    pub pupils: Vec<&'static PupilRow>,
    schooling: Schooling,
    others: Vec<Trace>,
    known: Option<Models>,
}

impl Lessons {
    /// As it was asked for.
    ///
    /// # Errors
    /// What is of no use without an adversary that learns; a file that is none.
    pub fn of(args: &DefendArgs, ground: &Ground, common: &Common) -> anyhow::Result<Self> {
        let taught = &args.taught;
        let mut pupils = pupils(&args.adversaries);
        if taught.ladder && !pupils.iter().any(|row| row.name == "learned") {
            pupils.splice(0..0, find_pupil("learned"));
        }
        if args.loopback.loopback && !pupils.is_empty() {
            return Err(usage(
                "--loopback lives one wire, of which nothing can be learned: leave out adversaries that learn, and --ladder",
            ));
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
        let known = taught.load_model.as_deref().map(saved::read).transpose();
        let known = known.map_err(|error| usage(error.to_string()))?;
        let others = match pupils.is_empty() || known.is_some() {
            true => Vec::new(),
            false => ground.others(lessons_of(&ground.trace), common)?,
        };
        Ok(Self {
            pupils,
            schooling: Schooling {
                priors,
                ..Schooling::default()
            },
            others,
            known,
        })
    }

    /// The same, as the audit takes it.
    pub fn teaching<'a>(&'a self, args: &TaughtArgs) -> Teaching<'a> {
        Teaching {
            pupils: &self.pupils,
            schooling: self.schooling,
            others: &self.others,
            ladder: args.ladder,
            known: self.known.as_ref(),
            keep: args.save_model.is_some(),
        }
    }

    /// What steers them, for the report.
    pub fn tell(&self, args: &TaughtArgs, parameters: &mut BTreeMap<String, Value>) {
        if self.pupils.is_empty() {
            return;
        }
        let learned_from = match (&self.known, self.others.len()) {
            (Some(_), _) => "a file".to_owned(),
            (None, 0) => "other days of the same capture, with other coins".to_owned(),
            (None, homes) => format!("{homes} other homes of the same kind"),
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
