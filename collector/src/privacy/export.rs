//! Everything about somebody, and for an owner everything of the organization: as one JSON document, or a table at a time as CSV.
//!
//! It is made from the classes of columns (`store::catalogue`): what is exported is decided where a column is made. It is sent as
//! it is read, a thousand rows at a time and as fast as it is taken, so that its size does not matter; a document that broke off
//! has no manifest, which comes last.

use std::collections::HashMap;

use bytes::Bytes;
use picket_shared::time::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use super::zip::Archive;
use crate::domain::csv;
use crate::store::audit::{self, Author};
use crate::store::catalogue::{self, Catalogue, Part, Piece, Reading};
use crate::store::{OrgKey, Pools, StoreError, UserKey, members};

/// Most rows that a request is answered with: some 25 MiB, and seconds. What is larger ends with the first connection that breaks, and
/// begins anew; and it holds a connection to the database for as long as somebody takes it slowly.
pub const MOST_DIRECT: i64 = 100_000;
/// The form of the document.
const FORMAT: &str = "picket-export/1";
/// Why it has no part of the organization, where it has none.
const WITHOUT: &str = "an owner gets the organization too, by a key with every scope that reads";

/// About whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who asks, about whom it is.
    pub user: UserKey,
    /// What names the user outside.
    pub id: Uuid,
    /// What the user signs in with; a service member has none, whatever it is called.
    pub email: Option<String>,
    /// The organization, where who asks owns it and may see all of it.
    pub org: Option<OrgKey>,
    /// What the organization is set up with, and nothing else.
    pub configuration: bool,
    /// One part and not the other; both, where who asks may have both, if absent.
    pub only: Option<Part>,
}

/// Where pieces go; one that fails ends it.
pub type Pieces = Sender<Result<Bytes, StoreError>>;

/// An export that is under way.
#[derive(Debug)]
pub struct Export {
    pools: Pools,
    wanted: Wanted,
    catalogue: Catalogue,
    /// Addresses of members, for rows that name one.
    members: HashMap<i64, String>,
}

/// A table that an export has, and what its rows hold.
#[derive(Clone, Debug)]
pub struct Listed {
    /// About whom.
    pub part: Part,
    /// Its name.
    pub table: String,
    /// What a row has.
    pub fields: Vec<String>,
}

impl Export {
    /// What one would have.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(pools: Pools, wanted: Wanted) -> Result<Self, StoreError> {
        let mut auth = pools.auth().await?;
        let catalogue = Catalogue::read(&mut auth).await?;
        let members = match wanted.org {
            Some(org) => members::list(&mut auth, org).await?,
            None => Vec::new(),
        };
        drop(auth);
        let members = members.into_iter().map(|row| (row.user.0, row.called)).collect();
        Ok(Self { pools, wanted, catalogue, members })
    }

    /// Whether it holds what the organization is set up with, and nothing else.
    pub fn is_configuration(&self) -> bool {
        self.wanted.configuration
    }

    /// The tables it has.
    pub fn tables(&self) -> Vec<Listed> {
        let listed = |part: Part| {
            let readings = self.readings(part).into_iter();
            readings.map(move |reading| Listed { part, fields: names(&reading), table: reading.table })
        };
        self.parts().into_iter().flat_map(listed).collect()
    }

    /// Writes down that it is taken, before any of it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(&self, by: &Author, table: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
        let parts: Vec<&str> = self.parts().into_iter().map(Part::as_str).collect();
        let mut detail = json!({ "parts": parts, "table": table });
        if self.wanted.configuration {
            detail["only"] = json!("configuration");
        }
        let mut auth = self.pools.auth().await?;
        audit::append(&mut auth, &by.did("account.export", &self.wanted.id.to_string(), detail, now)).await?;
        auth.commit().await
    }

    fn parts(&self) -> Vec<Part> {
        let account = (!self.wanted.configuration).then_some(Part::Account);
        let organization = self.wanted.org.map(|_| Part::Organization);
        let only = |part: &Part| self.wanted.only.is_none_or(|only| only == *part);
        [account, organization].into_iter().flatten().filter(only).collect()
    }

    fn readings(&self, part: Part) -> Vec<Reading> {
        let mut readings = self.catalogue.readings(part);
        readings.retain(|reading| !self.wanted.configuration || Catalogue::is_configuration(&reading.table));
        readings
    }

    /// Sends the whole document.
    pub async fn json(self, at: Timestamp, to: Pieces) {
        if let Err(Stopped::Failed(error)) = self.document(at, &to).await {
            tracing::error!("An export broke off: {error}");
            let _ = to.send(Err(error)).await;
        }
    }

    /// Whether it has more rows than a request takes; of one table, where one is named.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_large(&self, table: Option<(&str, &str)>) -> Result<bool, StoreError> {
        let mut left = MOST_DIRECT;
        for part in self.parts() {
            for reading in self.readings(part) {
                if table.is_some_and(|(of, name)| (of, name) != (part.as_str(), &*reading.table)) {
                    continue;
                }
                left -= match (part, self.wanted.org) {
                    (Part::Organization, Some(org)) => {
                        catalogue::count(&mut self.pools.scoped(org).await?, &reading, (org.0, ""), left + 1).await?
                    }
                    _ => {
                        let whose = (self.wanted.user.0, self.wanted.email.as_deref().unwrap_or_default());
                        catalogue::count(&mut self.pools.auth().await?, &reading, whose, left + 1).await?
                    }
                };
                if left < 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Sends the whole document; gives how many rows of each table.
    pub(super) async fn document(&self, at: Timestamp, to: &Pieces) -> Result<Value, Stopped> {
        let head = format!(
            "{{\"format\":{},\"made_at\":{},\"address\":{}",
            json!(FORMAT),
            json!(at.exact()),
            json!(self.wanted.email.as_ref().filter(|_| !self.wanted.configuration))
        );
        send(to, head).await?;
        let (mut counts, mut left_out) = (Vec::new(), Vec::new());
        for part in self.parts() {
            send(to, format!(",{}:{{", json!(part.as_str()))).await?;
            for (number, reading) in self.readings(part).iter().enumerate() {
                let comma = if number == 0 { "" } else { "," };
                send(to, format!("{comma}{}:[", json!(reading.table))).await?;
                let rows = self.rows(part, reading, to).await?;
                send(to, "]".to_owned()).await?;
                counts.push(json!({ "part": part.as_str(), "table": reading.table, "rows": rows }));
            }
            send(to, "}".to_owned()).await?;
            left_out.extend(self.left_out(part));
        }
        let counts = Value::Array(counts);
        send(to, format!(",\"manifest\":{}}}\n", self.manifest(&counts, left_out))).await?;
        Ok(counts)
    }

    fn manifest(&self, counts: &Value, left_out: Vec<Value>) -> Value {
        let mut manifest = json!({ "tables": counts, "left_out": left_out });
        if self.wanted.org.is_none() {
            manifest["without_organization"] = json!(WITHOUT);
        }
        manifest
    }

    fn left_out(&self, part: Part) -> Vec<Value> {
        let said = self.catalogue.left_out(part).into_iter();
        let said = said.filter(|(table, ..)| !self.wanted.configuration || Catalogue::is_configuration(table));
        said.map(|(table, column, purpose)| {
            json!({ "part": part.as_str(), "table": table, "column": column, "purpose": purpose })
        })
        .collect()
    }

    /// Sends a ZIP archive with each table as CSV, and the manifest as its last file; gives how many rows of each table.
    pub(super) async fn archive(&self, at: Timestamp, to: &Pieces) -> Result<Value, Stopped> {
        let (mut archive, mut counts, mut left_out) = (Archive::new(), Vec::new(), Vec::new());
        for part in self.parts() {
            for reading in self.readings(part) {
                archive.begin(&format!("{}/{}.csv", part.as_str(), reading.table))?;
                let names = names(&reading);
                let (mut text, mut after, mut rows) = (csv::line(&names), None, 0);
                loop {
                    let (lines, next) = self.lines(part, &reading, &names, after.as_deref()).await?;
                    rows += lines.len();
                    text.extend(lines);
                    put(to, archive.add(text.as_bytes())?).await?;
                    text.clear();
                    let Some(next) = next else { break };
                    after = Some(next);
                }
                counts.push(json!({ "part": part.as_str(), "table": reading.table, "rows": rows }));
            }
            left_out.extend(self.left_out(part));
        }
        let counts = Value::Array(counts);
        let mut manifest = self.manifest(&counts, left_out);
        manifest["format"] = json!(FORMAT);
        manifest["made_at"] = json!(at.exact());
        archive.begin("manifest.json")?;
        put(to, archive.add(format!("{manifest:#}\n").as_bytes())?).await?;
        put(to, archive.finish()?).await?;
        Ok(counts)
    }

    /// Sends the rows of a table as they stand in an array; gives how many.
    async fn rows(&self, part: Part, reading: &Reading, to: &Pieces) -> Result<usize, Stopped> {
        let (mut after, mut count) = (None, 0);
        loop {
            let piece = self.piece(part, reading, after.as_deref()).await?;
            let mut text = String::new();
            for row in piece.rows {
                text.push_str(if count == 0 { "\n" } else { ",\n" });
                text.push_str(&Value::Object(self.named(part, row)).to_string());
                count += 1;
            }
            send(to, text).await?;
            match piece.next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Sends one table as RFC 4180 has it, with its names first. None if an export has no such table.
    pub fn csv(self, part: &str, table: &str) -> Option<Csv> {
        let part = self.parts().into_iter().find(|known| known.as_str() == part)?;
        let reading = self.readings(part).into_iter().find(|reading| reading.table == table)?;
        Some(Csv { export: self, part, reading })
    }

    async fn piece(&self, part: Part, reading: &Reading, after: Option<&[String]>) -> Result<Piece, StoreError> {
        match (part, self.wanted.org) {
            (Part::Organization, Some(org)) => {
                catalogue::of_organization(&mut self.pools.scoped(org).await?, reading, after).await
            }
            _ => {
                let whose = (self.wanted.user, self.wanted.email.as_deref().unwrap_or_default());
                catalogue::of_account(&mut self.pools.auth().await?, reading, whose, after).await
            }
        }
    }

    /// A piece of a table as lines of CSV, and where the next one begins.
    async fn lines(
        &self,
        part: Part,
        reading: &Reading,
        names: &[String],
        after: Option<&[String]>,
    ) -> Result<(Vec<String>, Option<Vec<String>>), StoreError> {
        let piece = self.piece(part, reading, after).await?;
        let line = |row| {
            let row = self.named(part, row);
            csv::line(&names.iter().map(|name| cell(row.get(name))).collect::<Vec<_>>())
        };
        Ok((piece.rows.into_iter().map(line).collect(), piece.next))
    }

    /// With the address of a member in the place of the number of a row; who is none any more is not named.
    fn named(&self, part: Part, mut row: Map<String, Value>) -> Map<String, Value> {
        if part == Part::Organization
            && let Some(user) = row.remove("user_id")
        {
            let email = user.as_i64().and_then(|user| self.members.get(&user));
            row.insert("user".to_owned(), json!(email));
        }
        row
    }
}

/// A table that is to be sent as CSV.
#[derive(Debug)]
pub struct Csv {
    export: Export,
    part: Part,
    reading: Reading,
}

impl Csv {
    /// What it is of.
    pub fn export(&self) -> &Export {
        &self.export
    }

    /// Sends it.
    pub async fn send(self, to: Pieces) {
        if let Err(Stopped::Failed(error)) = self.lines(&to).await {
            tracing::error!("An export broke off: {error}");
            let _ = to.send(Err(error)).await;
        }
    }

    async fn lines(&self, to: &Pieces) -> Result<(), Stopped> {
        let names = names(&self.reading);
        send(to, csv::line(&names)).await?;
        let mut after = None;
        loop {
            let (lines, next) = self.export.lines(self.part, &self.reading, &names, after.as_deref()).await?;
            send(to, lines.concat()).await?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// Why an export ends early.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Nobody takes it any more.
    Left,
    /// It cannot be read.
    Failed(StoreError),
    /// It cannot be put into an archive.
    Packing(std::io::Error),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Packing(error)
    }
}

impl From<zip::result::ZipError> for Stopped {
    fn from(error: zip::result::ZipError) -> Self {
        Self::Packing(error.into())
    }
}

async fn put(to: &Pieces, bytes: Vec<u8>) -> Result<(), Stopped> {
    to.send(Ok(Bytes::from(bytes))).await.map_err(|_| Stopped::Left)
}

async fn send(to: &Pieces, text: String) -> Result<(), Stopped> {
    if text.is_empty() {
        return Ok(());
    }
    put(to, text.into_bytes()).await
}

/// What a row has, as it is told.
fn names(reading: &Reading) -> Vec<String> {
    let told = |name: &String| if name == "user_id" { "user".to_owned() } else { name.clone() };
    reading.fields.iter().map(told).collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
