//! Where reports go: `-o FORMAT=PATH`, and files that are written whole or not at all.

use super::format::Format;
use std::fmt;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One `-o FORMAT=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How.
    pub format: Format,
    /// Where.
    pub target: Target,
}

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `-`.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Stdout => write!(f, "{}=-", self.format),
            Target::File(path) => write!(f, "{}={}", self.format, path.display()),
        }
    }
}

impl FromStr for Output {
    type Err = String;

    /// With one of [`Format::COMMON`]; results that have more are asked by [`Output::read`].
    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, &Format::COMMON)
    }
}

impl Output {
    /// Reads `FORMAT=PATH`, the format one of those a result has.
    ///
    /// # Errors
    /// In words, where a part is missing or no such format is there.
    pub fn read(text: &str, of: &[Format]) -> Result<Self, String> {
        let Some((format, path)) = text.split_once('=') else {
            return Err(format!(
                "`{text}` names no format; write FORMAT=PATH, as json=result.json or md=-"
            ));
        };
        let format = Format::read(format, of)?;
        let target = match path {
            "" => {
                return Err(format!(
                "`{text}` names no file; write {format}=PATH, or {format}=- for standard output"
            ))
            }
            "-" => Target::Stdout,
            path => Target::File(path.into()),
        };
        Ok(Self { format, target })
    }
}

/// All reports of a run: one to standard output, any number to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The format at standard output.
    pub stdout: Format,
    /// The files, each once.
    pub files: Vec<(Format, PathBuf)>,
}

impl Plan {
    /// Standard output shows `format`, unless an output names `-`, which then takes its place.
    ///
    /// # Errors
    /// In words, where two reports want the same place.
    pub fn new(format: Format, outputs: &[Output]) -> Result<Self, String> {
        let mut plan = Self {
            stdout: format,
            files: Vec::new(),
        };
        let mut taken = None;
        for output in outputs {
            match &output.target {
                Target::Stdout => {
                    if let Some(before) = taken.replace(output) {
                        return Err(format!("-o {before} and -o {output} both want standard output; give one of them a file"));
                    }
                    plan.stdout = output.format;
                }
                Target::File(path) => {
                    if let Some((before, _)) = plan.files.iter().find(|(_, other)| other == path) {
                        return Err(format!(
                            "-o {before}={} and -o {output} want the same file",
                            path.display()
                        ));
                    }
                    plan.files.push((output.format, path.clone()));
                }
            }
        }
        Ok(plan)
    }

    /// The plan, if all its formats are among those a result has: for formats that were read without knowing for what.
    ///
    /// # Errors
    /// In words, with the list.
    pub fn among(self, of: &[Format]) -> Result<Self, String> {
        let files = self.files.iter().map(|(format, _)| *format);
        for format in std::iter::once(self.stdout).chain(files) {
            Format::read(format.name(), of)?;
        }
        Ok(self)
    }

    /// Whether any report shows the SHA-256 of the inputs, so that it is worth computing.
    pub fn shows_digest(&self) -> bool {
        self.stdout.shows_digest() || self.files.iter().any(|(format, _)| format.shows_digest())
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder takes no file.
    #[error("{path}: cannot be written, as its folder {folder} takes no new file; make the folder, or choose another")]
    Folder {
        /// The file.
        path: String,
        /// Its folder.
        folder: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// There is a folder of that name.
    #[error("{path}: cannot be written, as it is a folder; name a file in it")]
    IsFolder {
        /// The folder.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Writing failed on the way; the file is as it was before, or absent as before.
    #[error("{path}: could not be written whole and is left as it was; is the disk full?")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A device, FIFO or the like, which takes bytes as they come.
    #[error("{path}: could not be written")]
    Stream {
        /// What was written to.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Where [`write_whole`] writes.
#[derive(Debug)]
pub enum Place {
    /// A device, FIFO or the like: to it, as it is.
    Stream(PathBuf),
    /// A new file in a folder, which takes the name of an old one once it is complete.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the file is to be called.
        name: PathBuf,
        /// What is called so now.
        old: Option<Metadata>,
    },
}

impl Place {
    /// Where what is typed as `path` lies: behind a symbolic link, where it is one.
    ///
    /// # Errors
    /// A folder bears the name; a link that cannot be followed.
    pub fn of(path: &Path) -> Result<Self, OutputError> {
        let failed = |source| OutputError::File {
            path: path.display().to_string(),
            source,
        };
        let old = fs::metadata(path).ok();
        let name = match &old {
            Some(old) if old.is_dir() => {
                let path = path.display().to_string();
                let source = io::ErrorKind::IsADirectory.into();
                return Err(OutputError::IsFolder { path, source });
            }
            Some(old) if !old.is_file() => return Ok(Self::Stream(path.to_owned())),
            // Only what exists can be a link to something else.
            Some(_) => fs::canonicalize(path).map_err(failed)?,
            None => path.to_owned(),
        };
        let folder = match name.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self::Folder { folder, name, old })
    }
}

/// Writes a file whole or not at all: into a new file beside it, which takes its name once it is complete.
///
/// A file that was there keeps its permissions; a symbolic link stays one, and what it points to is replaced. Devices and
/// FIFOs (`/dev/stdout`, `/dev/null`) cannot be replaced and are written to as they are.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputError> {
    let shown = || path.display().to_string();
    let stream = |source| OutputError::Stream {
        path: shown(),
        source,
    };
    let failed = |source| OutputError::File {
        path: shown(),
        source,
    };
    let (folder, name, old) = match Place::of(path)? {
        Place::Stream(path) => {
            let file = File::options().write(true).open(path).map_err(stream)?;
            let mut out = BufWriter::new(file);
            return fill(&mut out).and_then(|()| out.flush()).map_err(stream);
        }
        Place::Folder { folder, name, old } => (folder, name, old),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".stp-audit-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What a plain new file gets: the system takes off what the user's mask forbids.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let file = builder
        .tempfile_in(&folder)
        .map_err(|source| OutputError::Folder {
            path: shown(),
            folder: folder.display().to_string(),
            source: cause(source),
        })?;
    if let Some(old) = old {
        file.as_file()
            .set_permissions(old.permissions())
            .map_err(failed)?;
    }
    let mut out = BufWriter::new(file);
    fill(&mut out).map_err(failed)?;
    let file = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    // Without it a crash of the machine may leave the name with nothing behind it.
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&name).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The system's words without tempfile's, which name a file nobody knows.
fn cause(error: io::Error) -> io::Error {
    let text = error.to_string();
    let system = text.split(" at path ").next().unwrap_or(&text);
    io::Error::new(error.kind(), system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn names(folder: &Path) -> Vec<String> {
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    fn half_then_full_disk(out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&vec![b'x'; 100_000])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn outputs_are_read_as_typed() {
        let output: Output = "json=a=b.json".parse().unwrap();
        assert_eq!(output.format, Format::Json);
        assert_eq!(output.target, Target::File("a=b.json".into()));
        assert_eq!(output.to_string(), "json=a=b.json");
        assert_eq!("md=-".parse::<Output>().unwrap().target, Target::Stdout);
    }

    #[test]
    fn outputs_without_format_or_path_are_refused() {
        for (text, why) in [
            (
                "v.json",
                "`v.json` names no format; write FORMAT=PATH, as json=result.json or md=-",
            ),
            (
                "json=",
                "`json=` names no file; write json=PATH, or json=- for standard output",
            ),
            (
                "xml=a",
                "`xml` is no format; there are table, json, jsonl, csv, md",
            ),
        ] {
            assert_eq!(text.parse::<Output>(), Err(why.to_string()));
        }
    }

    fn plan(format: Format, outputs: &[&str]) -> Result<Plan, String> {
        let outputs: Vec<Output> = outputs.iter().map(|text| text.parse().unwrap()).collect();
        Plan::new(format, &outputs)
    }

    #[test]
    fn a_dash_takes_the_place_of_the_table() {
        let plan = plan(Format::Table, &["json=v.json", "md=-", "csv=v.csv"]).unwrap();
        assert_eq!(plan.stdout, Format::Md);
        assert_eq!(
            plan.files,
            [
                (Format::Json, "v.json".into()),
                (Format::Csv, "v.csv".into())
            ]
        );
        assert!(plan.shows_digest());
    }

    #[test]
    fn two_reports_cannot_share_a_place() {
        assert_eq!(
            plan(Format::Table, &["json=-", "md=-"]),
            Err(
                "-o json=- and -o md=- both want standard output; give one of them a file"
                    .to_string()
            )
        );
        assert_eq!(
            plan(Format::Table, &["json=v", "md=v"]),
            Err("-o json=v and -o md=v want the same file".to_string())
        );
        assert!(!plan(Format::Table, &["csv=v"]).unwrap().shows_digest());
    }

    #[test]
    fn a_plan_asks_for_nothing_a_result_does_not_have() {
        let most = [Format::Table, Format::Html];
        let output = Output::read("html=v.html", &most).unwrap();
        let plan = Plan::new(Format::Table, &[output]).unwrap();
        assert_eq!(plan.clone().among(&most), Ok(plan.clone()));
        assert_eq!(
            plan.among(&Format::COMMON),
            Err("`html` is no format; there are table, json, jsonl, csv, md".to_string())
        );
        assert_eq!(
            Output::read("svg=v.svg", &most),
            Err("`svg` is no format; there are table, html".to_string())
        );
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.json");
        for text in ["old and long", "new"] {
            write_whole(&path, |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["v.json"]);
    }

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(&folder.path().join("v.json"), half_then_full_disk).unwrap_err();
        assert!(error.to_string().ends_with(
            "v.json: could not be written whole and is left as it was; is the disk full?"
        ));
        assert!(error.source().is_some());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.json");
        fs::write(&path, "old").unwrap();
        write_whole(&path, half_then_full_disk).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["v.json"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere/v.json");
        let error = write_whole(&path, |_| Ok(())).unwrap_err();
        assert!(matches!(error, OutputError::Folder { .. }), "{error:?}");
        let place = folder.path().display();
        assert_eq!(
            error.to_string(),
            format!("{place}/nowhere/v.json: cannot be written, as its folder {place}/nowhere takes no new file; make the folder, or choose another")
        );
        assert_eq!(
            error.source().unwrap().to_string(),
            "No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(folder.path(), |_| Ok(())).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "is a directory");
        assert!(error
            .to_string()
            .ends_with("as it is a folder; name a file in it"));
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{symlink, PermissionsExt};

        #[test]
        fn permissions_are_those_of_a_plain_file_or_of_the_old_one() {
            let folder = tempfile::tempdir().unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
            fs::write(&plain, "").unwrap();
            write_whole(&ours, |_| Ok(())).unwrap();
            assert_eq!(mode(&ours), mode(&plain));
            fs::set_permissions(&ours, Permissions::from_mode(0o600)).unwrap();
            write_whole(&ours, |_| Ok(())).unwrap();
            assert_eq!(mode(&ours), 0o600);
        }

        #[test]
        fn a_link_stays_a_link() {
            let folder = tempfile::tempdir().unwrap();
            let (link, file) = (folder.path().join("latest"), folder.path().join("monday"));
            fs::write(&file, "old").unwrap();
            symlink(&file, &link).unwrap();
            write_whole(&link, |out| out.write_all(b"new")).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        }

        #[test]
        fn a_device_is_written_to_and_not_replaced() {
            write_whole(Path::new("/dev/null"), |out| out.write_all(b"x")).unwrap();
            let null = fs::metadata("/dev/null").unwrap();
            assert!(!null.is_file());
            let full = Path::new("/dev/full");
            if full.exists() {
                let error = write_whole(full, |out| out.write_all(b"x")).unwrap_err();
                assert!(matches!(error, OutputError::Stream { .. }), "{error:?}");
            }
        }
    }
}
