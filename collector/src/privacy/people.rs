//! People without an account: invited, told by a channel, named in a text. What is stored of them is found by an address, given, and
//! erased.
//!
//! In: an address. Out: rows that name it (`store::people`), sealed values included, which are opened for it; or the same rows without
//! it, a receipt without a name, and a line of the ledger in which the address stands sealed, so that a restored copy is erased again.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_shared::ids::ErasureId;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::erase::Receipts;
use super::ledger::{Ledger, LedgerError};
use super::mail::{self, GIVE_UP, MailError};
use crate::domain::account_mail::About;
use crate::domain::address::Address;
use crate::domain::ended::{Ended, Kind};
use crate::store::audit::{self, Author};
use crate::store::catalogue::Part;
use crate::store::erasures::{self, Whose};
use crate::store::people::{self, Becomes, Columns, Found};
use crate::store::sealed::{self, Place};
use crate::store::{ChannelKey, Eraser, OrgKey, Pools, StoreError, erasure_receipts, exports, managements};
use crate::vault::{Class, Opener, VaultError};

/// The form of what is given.
const FORMAT: &str = "picket-person/1";
/// Why somebody was not found or erased.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger: nothing was erased.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A mail to an owner could not be put down: nothing was erased.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Somebody signs in with the address.
    #[error(
        "somebody signs in with {0}: the account is closed by its user on the page Account, or with DELETE /api/v1/account, and everything of it goes seven days later"
    )]
    HasAccount(String),
    /// The account is closed.
    #[error("the account of {0} is closed, and everything of it goes at {1:.0}")]
    Closed(String, Timestamp),
}

/// What is stored of somebody.
#[derive(Debug)]
pub struct Person {
    /// By what it was found.
    pub address: Address,
    /// Whether somebody signs in with the address; and when the account is erased, if it was closed.
    pub account: Option<Option<Timestamp>>,
    /// Rows.
    pub found: Vec<Found>,
    /// Rows that are not listed, where a table has very many.
    pub more: u64,
    /// What organizations are called, and their ids.
    pub organizations: BTreeMap<i64, (Uuid, String)>,
}

/// Looks for somebody in every table, and in every sealed value.
///
/// # Errors
/// When the database fails.
pub async fn find(pools: &Pools, opener: &Opener, address: &Address) -> Result<Person, PeopleError> {
    let mut eraser = pools.eraser().await?;
    let columns = Columns::read(&mut eraser).await?;
    look(&mut eraser, &columns, opener, address).await
}

async fn look(
    eraser: &mut Eraser,
    columns: &Columns,
    opener: &Opener,
    address: &Address,
) -> Result<Person, PeopleError> {
    let account = people::account(eraser, address.as_str()).await?;
    let (mut found, more) = people::find(eraser, columns, address.as_str()).await?;
    // Files of exports are copies of what is found anyway.
    for place in Place::ALL.into_iter().filter(|place| *place != Place::Exports) {
        let Some(name) = place.name().split_once('.') else { continue };
        for row in sealed_rows(eraser, opener, place, address).await? {
            found.extend(people::sealed_row(eraser, columns, name, row).await?);
        }
    }
    let mut organizations = BTreeMap::new();
    for org in found.iter().filter_map(|found| found.org) {
        if let std::collections::btree_map::Entry::Vacant(entry) = organizations.entry(org.0) {
            entry.insert(people::organization(eraser, org).await?);
        }
    }
    Ok(Person { address: address.clone(), account, found, more, organizations })
}

/// The rows of a place whose value names the address. A value that does not open names nobody here.
async fn sealed_rows(
    eraser: &mut Eraser,
    opener: &Opener,
    place: Place,
    address: &Address,
) -> Result<Vec<i64>, PeopleError> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let values = sealed::others(eraser, place, &[], after).await?;
        let Some(last) = values.last() else { return Ok(rows) };
        after = last.row;
        for value in values {
            let opened = opener.open(class(place), value.context.as_bytes(), &Sealed(value.sealed));
            if opened.is_ok_and(|secret| address.is_in_bytes(secret.expose())) {
                rows.push(value.row);
            }
        }
    }
}

/// As what the values of a place are sealed.
pub const fn class(place: Place) -> Class {
    match place {
        Place::Mails => Class::AccountMail,
        Place::Codes => Class::ChannelCode,
        Place::Channels => Class::ChannelSettings,
        Place::Hooks => Class::HookSecret,
        Place::Keys | Place::FormerKeys => Class::WebhookKey,
        Place::Monitors => Class::MonitorSecret,
        Place::Probes => Class::ProbeSecret,
        Place::Totp => Class::TotpSecret,
        Place::Exports => Class::ExportPiece,
    }
}

impl Person {
    /// What is stored, as a document for whom it is about. It holds nothing that is another's: of a text of an organization that text
    /// alone, of a channel neither its name nor what signs in at its provider.
    pub fn document(&self, now: Timestamp) -> Value {
        let mut tables: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for found in &self.found {
            let purposes: BTreeMap<&str, &str> =
                found.columns.iter().map(|(column, purpose, _)| (&**column, &**purpose)).collect();
            let row = json!({ "organization": self.organization(found), "named_in": purposes, "row": found.told });
            tables.entry(&found.table).or_default().push(row);
        }
        let counts: BTreeMap<&str, usize> = tables.iter().map(|(table, rows)| (*table, rows.len())).collect();
        json!({
            "format": FORMAT, "made_at": now.exact(), "address": self.address.as_str(), "has_account": self.account.is_some(),
            "tables": tables, "manifest": { "rows": counts, "not_listed": self.more },
        })
    }

    /// What the organization of a row is called.
    pub fn organization(&self, found: &Found) -> Option<&str> {
        self.organizations.get(&found.org?.0).map(|(_, name)| &**name)
    }
}

/// Writes down that somebody was looked for, without whom: else looking for a stranger would store something of a stranger.
///
/// # Errors
/// When the database fails.
pub async fn note(pools: &Pools, by: &Author, action: &str, person: &Person, now: Timestamp) -> Result<(), StoreError> {
    let tables: BTreeSet<&str> = person.found.iter().map(|found| &*found.table).collect();
    let mut auth = pools.auth().await?;
    audit::append(&mut auth, &by.did(action, "", json!({ "rows": person.found.len(), "tables": tables }), now)).await?;
    auth.commit().await
}

/// What an erasure did.
#[derive(Debug)]
pub struct Done {
    /// Its id, by which the receipt and the ledger know it.
    pub id: Uuid,
    /// Rows, by table.
    pub counts: BTreeMap<String, u64>,
    /// Channels that were switched off.
    pub channels: usize,
    /// What is still there, and stays.
    pub left: Person,
}

/// Erases somebody without an account. The line of the ledger is on the disk before the first row goes; all rows go in one transaction.
///
/// # Errors
/// When there is an account, or the ledger, a key or the database fails: then nothing was erased.
pub async fn erase(
    pools: &Pools,
    ledger: &Ledger,
    receipts: &Receipts,
    address: &Address,
    (by, now): (&Author, Timestamp),
) -> Result<Done, PeopleError> {
    let person = find(pools, &ledger.opener, address).await?;
    match person.account {
        Some(None) => return Err(PeopleError::HasAccount(address.as_str().to_owned())),
        Some(Some(at)) => return Err(PeopleError::Closed(address.as_str().to_owned(), at)),
        None => {}
    }
    let id = ErasureId::at(now).0;
    let sealed = ledger.sealer.seal(Class::ErasedAddress, id.as_bytes(), address.as_str().as_bytes())?;
    let subject = format!("{id} {}", STANDARD.encode(&sealed.0));
    ledger.add(&[Ended { kind: Kind::ErasedContact, subject, org: None, at: now }])?;
    run(pools, ledger, receipts, (id, address), (by, now)).await
}

/// Erases again what the ledger says is gone and this database has no receipt of; gives how many.
///
/// # Errors
/// When the ledger, a key or the database fails.
pub async fn again(
    pools: &Pools,
    ledger: &Ledger,
    receipts: &Receipts,
    now: Timestamp,
) -> Result<(usize, u64), PeopleError> {
    let lines = ledger.read()?.into_iter().filter(|ended| ended.kind == Kind::ErasedContact);
    let parts = |line: Ended| {
        let (id, sealed) = line.subject.split_once(' ')?;
        Some((id.parse::<Uuid>().ok()?, Sealed(STANDARD.decode(sealed).ok()?)))
    };
    let known: Vec<(Uuid, Sealed)> = lines.filter_map(parts).collect();
    if known.is_empty() {
        return Ok((0, 0));
    }
    let ids: Vec<Uuid> = known.iter().map(|(id, _)| *id).collect();
    let received = erasure_receipts::received(&mut pools.eraser().await?, &ids).await?;
    let (mut erased, mut rows) = (0, 0);
    for (id, sealed) in known.into_iter().filter(|(id, _)| !received.contains(id)) {
        let plain = ledger.opener.open(Class::ErasedAddress, id.as_bytes(), &sealed)?;
        let Ok(address) = Address::parse(&String::from_utf8_lossy(plain.expose())) else { continue };
        let by = Author::of_instance("collector");
        let done = run(pools, ledger, receipts, (id, &address), (&by, now)).await?;
        erased += 1;
        rows += done.counts.values().sum::<u64>();
    }
    Ok((erased, rows))
}

async fn run(
    pools: &Pools,
    ledger: &Ledger,
    receipts: &Receipts,
    (id, address): (Uuid, &Address),
    (by, now): (&Author, Timestamp),
) -> Result<Done, PeopleError> {
    // The end of an id is drawn: no other erasure leaves the same word, so that names stay apart.
    let word = format!("erased-{}", id.simple().to_string().get(24..).unwrap_or_default());
    let whose = (address.as_str(), &*word);
    let mut eraser = pools.eraser().await?;
    let columns = Columns::read(&mut eraser).await?;
    let person = look(&mut eraser, &columns, &ledger.opener, address).await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |table: &str, rows: u64| {
        if rows > 0 {
            *counts.entry(table.to_owned()).or_default() += rows;
        }
    };
    let mut off: BTreeMap<i64, Vec<(Uuid, String)>> = BTreeMap::new();
    for found in rows(&person, "channels", Becomes::SwitchedOff) {
        let (Some(org), Some(key)) = (found.org, found.key.get("id").and_then(Value::as_i64)) else { continue };
        let Some(channel) = people::switch_off(&mut eraser, ChannelKey(key), whose, now).await? else { continue };
        off.entry(org.0).or_default().push(channel);
        count("channels", 1);
    }
    for found in rows(&person, "account_mails", Becomes::Goes) {
        if let Some(key) = found.key.get("id").and_then(Value::as_i64) {
            count("account_mails", people::remove_mail(&mut eraser, key).await?);
        }
    }
    // Rows by their address, and what names people in rows that stay: as for an account that has no row.
    let of = Whose { part: Part::Account, key: 0, names: vec![address.as_str().to_owned()] };
    for step in erasures::plan(&mut eraser, Part::Account).await? {
        loop {
            let done = erasures::piece(&mut eraser, &step, &of, None).await?;
            count(&step.table, done);
            if done == 0 {
                break;
            }
        }
    }
    for table in person.found.iter().map(|found| &*found.table).collect::<BTreeSet<_>>() {
        count(table, people::mask(&mut eraser, &columns, table, whose).await?);
    }
    let orgs: Vec<i64> = person.organizations.keys().copied().collect();
    count("exports", exports::drop_of(&mut eraser, &orgs).await?);
    let channels = off.values().map(Vec::len).sum();
    for (org, channels) in off {
        tell(&mut eraser, receipts, (OrgKey(org), channels), (by, now)).await?;
    }
    erasure_receipts::put(&mut eraser, (id, "contact"), &counts, (now, receipts.copies_until)).await?;
    audit::append(&mut eraser, &by.did("contact.erase", &id.to_string(), json!({ "rows": counts }), now)).await?;
    eraser.commit().await?;
    let left = find(pools, &ledger.opener, address).await?;
    Ok(Done { id, counts, channels, left })
}

fn rows<'a>(person: &'a Person, table: &'a str, becomes: Becomes) -> impl Iterator<Item = &'a Found> {
    person
        .found
        .iter()
        .filter(move |found| found.table == table && found.columns.iter().any(|(.., other)| *other == becomes))
}

/// Tells an organization that alarms do not go there any more: in its audit log, and each owner by mail.
async fn tell(
    eraser: &mut Eraser,
    receipts: &Receipts,
    (org, channels): (OrgKey, Vec<(Uuid, String)>),
    (by, now): (&Author, Timestamp),
) -> Result<(), PeopleError> {
    let (_, organization) = people::organization(eraser, org).await?;
    let names = channels.iter().map(|(_, name)| name.clone()).collect();
    let about = About::ChannelsErased { at: now, organization, channels: names };
    if let Some(sealer) = &receipts.sealer {
        for (owner, email) in managements::owners(eraser, org, now).await? {
            mail::put(eraser, sealer, (Some(owner), &email), &about, (now, GIVE_UP)).await?;
        }
    }
    let author = Author { org: Some(org), ..by.clone() };
    for (channel, name) in channels {
        let channel = channel.to_string();
        audit::append(eraser, &author.did("channel.erase", &channel, json!({ "name": name }), now)).await?;
    }
    Ok(())
}
