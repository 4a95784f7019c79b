//! The report of an import, for a person.

use crate::cmd::{CmdError, print};
use crate::import::{Entry, Outcome, Report};

/// So many names of monitors stand beside what was lost of them.
const NAMES: usize = 3;

pub(super) fn print(report: &Report) -> Result<(), CmdError> {
    let will = |done: &str, planned: &str| if report.applied { done.to_owned() } else { planned.to_owned() };
    table(&will("Taken", "Would be taken"), report, |outcome| match outcome {
        Outcome::Taken => Some(String::new()),
        _ => None,
    })?;
    table(&will("Changed", "Would be changed"), report, |outcome| match outcome {
        Outcome::Changed { fields } => Some(fields.join(", ")),
        _ => None,
    })?;
    reasons("Left as they are", report, |outcome| match outcome {
        Outcome::Kept { why } => Some(why),
        _ => None,
    })?;
    reasons("Not taken", report, |outcome| match outcome {
        Outcome::Refused { why } => Some(why),
        _ => None,
    })?;
    let losses = report.losses();
    section(
        "Of those taken, this has no counterpart",
        losses.iter().map(|loss| {
            let mut names = loss.monitors.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
            if loss.monitors.len() > NAMES {
                names = format!("{names} and {} more", loss.monitors.len() - NAMES);
            }
            format!("  {}: {} ({names})", loss.field, loss.why)
        }),
    )?;
    let channels = report.channels.iter().map(|entry| {
        let what = match &entry.outcome {
            Outcome::Taken => "made, and switched off until it has settings".to_owned(),
            Outcome::Kept { why } | Outcome::Refused { why } => format!("not taken: {why}"),
            Outcome::Changed { .. } | Outcome::Unchanged => String::new(),
        };
        format!("  {} ({}, {}): {what}", entry.name, entry.kind, entry.hint)
    });
    section("Channels", channels)?;
    if report.second_factor {
        print::line(&will("\nMembers need a second factor.", "\nMembers would need a second factor."))?;
    }
    section("Left behind", report.left.iter().map(|left| format!("  {} {}: {}", left.count, left.what, left.why)))?;
    section("No longer in the file, and left as they are", report.missing.iter().map(|name| format!("  {name}")))?;
    let counts = report.counts;
    print::line(&format!(
        "\n{} {}, {} {}, unchanged {}, left as they are {}, not taken {}.",
        will("Taken", "Would take"),
        counts.taken,
        will("changed", "change"),
        counts.changed,
        counts.unchanged,
        counts.kept,
        counts.refused
    ))?;
    if !report.applied {
        return print::line("Nothing was written (--dry-run).");
    }
    match report.tags.first().filter(|_| counts.taken > 0) {
        Some(tag) => print::line(&format!(
            "They are checked from now on, and nobody is told before: picket-collector monitor release --tag {tag}"
        )),
        None if counts.taken > 0 => print::line(
            "They are checked from now on, and nobody is told before they are released: on the page Moving in, or for the first \
             organization by picket-collector monitor release --all",
        ),
        None => Ok(()),
    }
}

/// The monitors for whose outcome `note` gives a note.
fn table(title: &str, report: &Report, note: impl Fn(&Outcome) -> Option<String>) -> Result<(), CmdError> {
    let row = |entry: &Entry| {
        let regions: Vec<_> = entry.regions.iter().map(ToString::to_string).collect();
        let mut note = note(&entry.outcome)?;
        if entry.paused {
            note = if note.is_empty() { "paused".to_owned() } else { format!("{note}; paused") };
        }
        Some(vec![
            format!("  {}", entry.name),
            entry.kind.clone(),
            entry.target.chars().take(60).collect(),
            regions.join(" "),
            entry.place.clone(),
            note,
        ])
    };
    let rows: Vec<_> = report.monitors.iter().filter_map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    print::line(&format!("{title} ({})", rows.len()))?;
    print::table(&["  NAME", "KIND", "TARGET", "REGIONS", "FROM", ""], &rows)?;
    print::line("")
}

fn reasons<'r>(
    title: &str,
    report: &'r Report,
    why: impl Fn(&'r Outcome) -> Option<&'r String>,
) -> Result<(), CmdError> {
    let line = |entry: &'r Entry| {
        why(&entry.outcome).map(|why| format!("  {} {:?} ({}): {why}", entry.place, entry.name, entry.kind))
    };
    section(title, report.monitors.iter().filter_map(line))
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> Result<(), CmdError> {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return Ok(());
    }
    print::line(&format!("{title} ({})", lines.len()))?;
    lines.iter().try_for_each(|line| print::line(line))?;
    print::line("")
}
