//! Files of other programs -> [`Candidate`]s for monitors, and a reason for each one that is none.
//!
//! In: the bytes of files. Out: [`Found`], which knows nothing of what is stored yet; the floor `import` compares the two
//! and writes. One source a file: [`kuma`] (with [`sqlite`], which reads its database), [`blackbox`] (with [`yaml`]),
//! [`csv`], [`json`], [`picket`]; each makes a [`candidate::Draft`] of a monitor, and [`Draft::finish`](candidate::Draft::finish)
//! holds it to what a monitor may be.

mod auth;
mod blackbox;
mod candidate;
mod csv;
mod json;
mod kuma;
mod names;
mod picket;
mod sqlite;
mod target;
mod yaml;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

pub use candidate::{Candidate, Lost, Refused};

/// Most bytes of all files of an import.
pub const MAX_BYTES: usize = 64 << 20;
/// Most monitors of an import.
pub const MAX_MONITORS: usize = 50_000;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The database of Uptime Kuma 1 or 2 (SQLite), or the JSON backup of Uptime Kuma 1.
    Kuma,
    /// The modules of a blackbox_exporter, with target files for Prometheus (file_sd).
    Blackbox,
    /// A table with the columns of `docs/moving-in.md`.
    Csv,
    /// What `monitor list --json` prints.
    Json,
    /// The export of an organization.
    Picket,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] = [Self::Kuma, Self::Blackbox, Self::Csv, Self::Json, Self::Picket];

    /// Its name in commands, forms and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kuma => "kuma",
            Self::Blackbox => "blackbox",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Picket => "picket",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|source| source.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no source: use kuma, blackbox, csv, json or picket"))
    }
}

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// What it is called, for messages.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// What a source does not say by itself.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// blackbox: the module of targets that name none.
    pub module: Option<String>,
    /// From check to check where the file does not say, in seconds; 60 if absent.
    pub interval_s: Option<u32>,
}

/// What the files hold.
#[derive(Debug, Default)]
pub struct Found {
    /// What can become a monitor; no two have the same external key or name.
    pub candidates: Vec<Candidate>,
    /// What cannot, each with its reason.
    pub refused: Vec<Refused>,
    /// Channels, without where they lead.
    pub channels: Vec<FoundChannel>,
    /// Whether its members need a second factor.
    pub second_factor: bool,
    /// What is no monitor and stays behind.
    pub left: Vec<Left>,
}

/// A channel of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundChannel {
    /// What it is called.
    pub name: String,
    /// What kind it is.
    pub kind: String,
    /// Whom it reaches, shortened.
    pub hint: String,
    /// Whether its messages name nothing that is watched.
    pub minimal: bool,
}

/// Something that is no monitor and stays behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What, in the words of its program: `notifications`.
    pub what: String,
    /// How many.
    pub count: usize,
    /// What became of them, or what to do.
    pub why: String,
}

/// Why nothing can be taken from the files: one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Unreadable {
    fn of(file: &Upload<'_>, why: impl fmt::Display) -> Self {
        Self(candidate::one_line(&format!("{}: {why}", file.name)))
    }
}

/// Reads the files of a source: the first is the one that it is named by. Further ones are target files (blackbox), or the
/// write-ahead log that lay beside the database (kuma, named `...-wal`).
///
/// # Errors
/// When they are not what they should be, are too large, or name too many monitors.
pub fn read(source: Source, files: &[Upload<'_>], reading: &Reading) -> Result<Found, Unreadable> {
    let Some((first, further)) = files.split_first() else {
        return Err(Unreadable("there is no file".to_owned()));
    };
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    if bytes > MAX_BYTES {
        let [has, most] = [bytes, MAX_BYTES].map(|bytes| bytes.div_ceil(1 << 20));
        return Err(Unreadable::of(
            first,
            format_args!("{has} MiB in all, {most} MiB at most: of an Uptime Kuma, clear the history and vacuum first"),
        ));
    }
    let takes_further = match source {
        Source::Kuma | Source::Blackbox => true,
        Source::Csv | Source::Json | Source::Picket => further.is_empty(),
    };
    if !takes_further {
        return Err(Unreadable(format!("{source} takes one file: import the others by themselves")));
    }
    let mut found = match source {
        Source::Kuma => kuma::read(first, further)?,
        Source::Blackbox => blackbox::read(first, further, reading)?,
        Source::Csv => csv::read(first, reading)?,
        Source::Json => json::read(first, reading)?,
        Source::Picket => picket::read(first, reading)?,
    };
    let count = found.candidates.len() + found.refused.len();
    if count > MAX_MONITORS {
        return Err(Unreadable::of(first, format_args!("{count} monitors, {MAX_MONITORS} at most: divide it")));
    }
    names::settle(&mut found);
    Ok(found)
}
