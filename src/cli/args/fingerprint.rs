//! `fingerprint`: what may be asked of the catalog.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Work on fingerprints
#[derive(Debug, Subcommand)]
pub enum FingerprintCommand {
    /// List all fingerprints
    List(CatalogArgs),
    /// Show one fingerprint as TOML
    Show {
        /// Its id, as `list` shows it
        id: String,
        /// Which fingerprints.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Learn one fingerprint a device from captures whose devices are named by MAC
    Learn {
        /// Captures at the LAN
        #[arg(required = true, value_name = "CAPTURE", value_hint = ValueHint::FilePath)]
        inputs: Vec<PathBuf>,
        /// Which MAC is which device: CSV of MAC address,name
        #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
        macs: PathBuf,
        /// Folder to write one TOML a device into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// Which packets, as a BPF filter
        #[arg(long, short = 'f', value_name = "BPF")]
        filter: Option<String>,
    },
    /// Make fingerprints of MUD files (RFC 8520)
    Import {
        /// MUD files
        #[arg(required = true, value_name = "MUD.json", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Folder to write one TOML a file into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
    /// Write a fingerprint as a MUD file (RFC 8520)
    Export {
        /// Its id, as `list` shows it
        id: String,
        /// File to write; standard output otherwise
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Which fingerprints.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
}

/// Which fingerprints
#[derive(Clone, Debug, Args)]
pub struct CatalogArgs {
    /// More fingerprints: a folder of TOML files (repeat)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub fingerprints: Vec<PathBuf>,
}
