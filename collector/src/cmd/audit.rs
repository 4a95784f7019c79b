//! `audit verify|list|export`: who did what; and whether the log still says what was written into it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{CmdError, actor, print};
use crate::app::App;
use crate::domain::written;
use crate::ops::anchor::{AnchorError, Anchorage, name};
use crate::ops::audit::{self, Broken, Verdict, Why};
use crate::store::audit::{Author, append};
use crate::store::read::audit::{AuditRow, Chain, Filter, Walk, chains, read};

/// Reads the audit log, and verifies it.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify every entry, and the heads that were put outside the database; say where it is broken first.
    Verify(VerifyArgs),
    /// Show entries, the newest first.
    List(ListArgs),
    /// Write entries as NDJSON, one a line, the oldest of each chain first.
    Export(Which),
}

/// Arguments of `audit verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The file of anchors, such as a copy that lay elsewhere; the one of the settings unless given.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which entries.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Only of this organization: its id or name; "instance" for what is of none. All unless given.
    #[arg(long)]
    organization: Option<String>,
    /// Not before this: 2026-11-23, or 2026-11-23T08:00:00Z.
    #[arg(long, value_parser = written::moment)]
    since: Option<Timestamp>,
    /// Only this action; with a dot at the end all that begin so, as in "monitor."
    #[arg(long)]
    action: Option<String>,
}

/// Arguments of `audit list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    which: Which,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl From<AnchorError> for CmdError {
    fn from(error: AnchorError) -> Self {
        Self::new(error.to_string())
    }
}

/// Entries read at a time.
const PAGE: i64 = 2_000;

/// Runs the command. The exit code says whether the log holds.
///
/// # Errors
/// When the database or the anchors cannot be read, or no organization is called so.
pub async fn run(command: AuditCommand, app: &App) -> Result<ExitCode, CmdError> {
    match command {
        AuditCommand::Verify(args) => verify(&args, app).await,
        AuditCommand::List(args) => list(&args, app).await,
        AuditCommand::Export(which) => export(&which, app).await,
    }
}

async fn verify(args: &VerifyArgs, app: &App) -> Result<ExitCode, CmdError> {
    let file = app.config.audit.anchors_file(&app.config.keys);
    let anchorage = Anchorage { file, notary: app.notary.clone(), collector: app.collector_id };
    let file = args.anchors.as_ref().unwrap_or(&anchorage.file);
    if args.anchors.is_some() && !file.exists() {
        return Err(CmdError::new(format!("--anchors: there is no file {}", file.display())));
    }
    let anchors = anchorage.read(file)?;
    let verdict = audit::verify(&app.pools, &anchorage, &anchors).await?;
    if args.json {
        let keys: Vec<Value> = (anchorage.notary.public_keys().iter())
            .map(|(key, public)| json!({ "key": format!("{key:08x}"), "ed25519": hex(public) }))
            .collect();
        print::json(&json!({
            "whole": verdict.broken.is_empty(), "entries": verdict.whole.entries, "erased": verdict.whole.erased,
            "chains": verdict.chains, "anchors": anchors.count(), "anchors_file": file,
            "unreadable_anchors": anchors.unreadable, "anchor_keys": keys,
            "broken": verdict.broken.iter().map(broken).collect::<Vec<_>>(),
        }))?;
    } else {
        for broken in &verdict.broken {
            print::line(&format!("{}.", broken.says()))?;
        }
        if verdict.broken.is_empty() {
            print::line(&format!("{} {}.", holds(&verdict), against(anchors.count())))?;
        }
        for line in &anchors.unreadable {
            print::line(&format!("Line {line} of {} is no anchor; a crash leaves such.", file.display()))?;
        }
    }
    Ok(if verdict.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn holds(verdict: &Verdict) -> String {
    let Verdict { whole, chains, .. } = verdict;
    let erased = if whole.erased == 0 { String::new() } else { format!(" ({} of them erased)", whole.erased) };
    format!("{} entries{erased} of {chains} chains are whole", whole.entries)
}

fn against(anchors: usize) -> String {
    match anchors {
        0 => "(nothing was anchored yet, so nobody can tell whether the end was cut off)".to_owned(),
        1 => "and fit 1 anchor".to_owned(),
        n => format!("and fit {n} anchors"),
    }
}

fn broken(broken: &Broken) -> Value {
    let (fault, seq, through) = match broken.why {
        Why::Entry(found) => (found.fault.as_str(), found.seq, found.through),
        Why::Base(seq) => ("unsigned_base", seq, seq),
    };
    json!({
        "organization": (!broken.chain.is_nil()).then_some(broken.chain), "fault": fault, "seq": seq, "through": through,
        "says": broken.says(),
    })
}

impl Which {
    fn filter(&self) -> Filter {
        Filter { action: self.action.clone().unwrap_or_default(), from: self.since, ..Filter::default() }
    }

    /// The chains that are meant.
    fn of(&self, chains: Vec<Chain>) -> Result<Vec<Chain>, CmdError> {
        let Some(wanted) = &self.organization else { return Ok(chains) };
        let fits = |chain: &Chain| match &chain.name {
            None => wanted == "instance",
            Some(name) => name == wanted || chain.id.to_string() == *wanted,
        };
        let found: Vec<Chain> = chains.into_iter().filter(fits).collect();
        if found.is_empty() {
            return Err(CmdError::new(format!(
                "no organization is called {wanted:?}: give its id or name, or \"instance\" for what is of none"
            )));
        }
        Ok(found)
    }
}

fn organization(chain: &Chain) -> Option<uuid::Uuid> {
    chain.org.map(|_| chain.id)
}

async fn list(args: &ListArgs, app: &App) -> Result<ExitCode, CmdError> {
    let mut auth = app.pools.auth().await?;
    let mut found: Vec<(Chain, AuditRow)> = Vec::new();
    for chain in args.which.of(chains(&mut auth).await?)? {
        let limit = i64::from(args.limit);
        let rows = read(&mut auth, chain.org, &args.which.filter(), Walk::Before(i64::MAX), limit).await?;
        found.extend(rows.into_iter().map(|row| (chain.clone(), row)));
    }
    found.sort_by_key(|(_, row)| std::cmp::Reverse(row.at));
    found.truncate(usize::from(args.limit));
    if args.json {
        let values: Vec<Value> = found.iter().map(|(chain, row)| row.exported(organization(chain))).collect();
        print::json(&values)?;
    } else if found.is_empty() {
        print::line("There is no such entry.")?;
    } else {
        let gone = || "(erased)".to_owned();
        let cells: Vec<Vec<String>> = found
            .iter()
            .map(|(chain, row)| {
                vec![
                    format!("{:.0}", Timestamp::from_micros(row.at)),
                    name(chain),
                    row.seq.to_string(),
                    row.actor.clone().unwrap_or_else(gone),
                    row.action.clone(),
                    row.subject.clone().unwrap_or_else(gone),
                    row.origin.clone().unwrap_or_default(),
                    row.detail.clone().unwrap_or_default(),
                ]
            })
            .collect();
        print::table(&["TIME", "LOG OF", "ENTRY", "WHO", "ACTION", "WHAT", "FROM", "DETAIL"], &cells)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(which: &Which, app: &App) -> Result<ExitCode, CmdError> {
    let mut auth = app.pools.auth().await?;
    let wanted = which.of(chains(&mut auth).await?)?;
    // Who takes data out is written down before it is.
    let org = wanted.first().filter(|_| wanted.len() == 1).and_then(|chain| chain.org);
    let author = Author { org, ..Author::of_instance(actor()) };
    let mut detail = which.filter().told();
    detail["organization"] = json!(which.organization);
    append(&mut auth, &author.did("audit.export", "", detail, app.clock.now())).await?;
    auth.commit().await?;
    let mut auth = app.pools.auth().await?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for chain in wanted {
        let mut after = i64::MIN;
        loop {
            let rows = read(&mut auth, chain.org, &which.filter(), Walk::After(after), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                match writeln!(out, "{}", row.exported(organization(&chain))) {
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                    written => written?,
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
