//! `privacy find`: what is stored of somebody without an account, by an address; as a list, as a document for that person, or erased.

use std::process::ExitCode;

use clap::Args;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::super::{CmdError, actor, print};
use crate::app::App;
use crate::domain::address::Address;
use crate::privacy::people::{self, Done, PeopleError, Person};
use crate::store::audit::Author;
use crate::store::people::{Becomes, Found};
use crate::tasks;

/// Arguments of `privacy find`.
#[derive(Args, Debug)]
pub struct FindArgs {
    /// An address of mail or chat, or a telephone number with its country (+4930123456).
    #[arg(value_parser = Address::parse)]
    address: Address,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print what is stored about the person, as a document in JSON for that person.
    #[arg(long, conflicts_with = "erase")]
    export: bool,
    /// Erase it: rows about the person go, and a word takes the place of the address in texts.
    #[arg(long)]
    erase: bool,
    /// Erase without asking for this option; nothing brings it back.
    #[arg(long, requires = "erase")]
    yes: bool,
}

impl From<PeopleError> for CmdError {
    fn from(error: PeopleError) -> Self {
        Self::new(error.to_string())
    }
}

pub(super) async fn run(args: &FindArgs, app: &App) -> Result<ExitCode, CmdError> {
    let (by, now) = (Author::of_instance(actor()), app.clock.now());
    if args.erase && args.yes {
        let (ledger, receipts) = (tasks::ledger(app), tasks::receipts(app, now));
        let done = people::erase(&app.pools, &ledger, &receipts, &args.address, (&by, now)).await?;
        return erased(args, &done);
    }
    let person = people::find(&app.pools, &app.opener, &args.address).await?;
    let action = if args.export { "contact.export" } else { "contact.find" };
    people::note(&app.pools, &by, action, &person, now).await?;
    if args.export {
        print::json(&person.document(now))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        print::json(&value(&person))?;
    } else {
        list(&person)?;
    }
    if !args.erase {
        return Ok(ExitCode::SUCCESS);
    }
    match person.account {
        Some(None) => Err(PeopleError::HasAccount(args.address.as_str().to_owned()).into()),
        Some(Some(at)) => Err(PeopleError::Closed(args.address.as_str().to_owned(), at).into()),
        None => Err(CmdError::new("nothing was erased: add --yes to erase this; nothing brings it back")),
    }
}

fn account(person: &Person) -> Option<String> {
    match person.account? {
        None => Some(
            "Somebody signs in with it: the account is deleted on its page, or by DELETE /api/v1/account.".to_owned(),
        ),
        Some(at) => Some(format!("Its account is closed, and goes at {at:.0}.")),
    }
}

fn key(found: &Found) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    found.key.as_object().map_or_else(String::new, |key| {
        key.iter().map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
    })
}

fn list(person: &Person) -> Result<(), CmdError> {
    if let Some(account) = account(person) {
        print::line(&account)?;
    }
    if person.found.is_empty() {
        return print::line("Nothing is stored of it.");
    }
    for found in &person.found {
        let of = person.organization(found).map_or_else(String::new, |name| format!(", of {name}"));
        print::line(&format!("{} ({}){of}", found.table, key(found)))?;
        for (column, purpose, becomes) in &found.columns {
            print::line(&format!("  {column}: {purpose}; erased, {}", becomes.told()))?;
        }
    }
    if person.more > 0 {
        print::line(&format!("and {} rows more", person.more))?;
    }
    Ok(())
}

fn value(person: &Person) -> Value {
    let item = |found: &Found| {
        let column = |(name, purpose, becomes): &(String, String, Becomes)| json!({ "column": name, "purpose": purpose, "erased": becomes.as_str() });
        json!({
            "table": found.table, "key": found.key,
            "organization": found.org.and_then(|org| person.organizations.get(&org.0)).map(|(id, name)| json!({ "id": id, "name": name })),
            "columns": found.columns.iter().map(column).collect::<Vec<_>>(),
        })
    };
    let account = person.account.map(|at| json!({ "erased_at": at.map(Timestamp::exact) }));
    json!({
        "address": person.address.as_str(), "account": account,
        "items": person.found.iter().map(item).collect::<Vec<_>>(), "not_listed": person.more,
    })
}

fn erased(args: &FindArgs, done: &Done) -> Result<ExitCode, CmdError> {
    let rows: u64 = done.counts.values().sum();
    if args.json {
        print::json(&json!({
            "erasure": done.id, "rows": done.counts, "channels_switched_off": done.channels, "left": value(&done.left)["items"],
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&format!("Erased {rows} rows: erasure {}.", done.id))?;
    if done.channels > 0 {
        print::line(&format!("{} channels are switched off; owners are told where mail can be sent.", done.channels))?;
    }
    if !done.left.found.is_empty() {
        print::line("This stays; whose it is changes it:")?;
        list(&done.left)?;
    }
    Ok(ExitCode::SUCCESS)
}
