//! Large exports: asked for, made by a task, and kept sealed until they expire; whoever may take one takes it as often as it likes.
//!
//! In: a row that says who wants what. Out: the same stream that a request gets ([`super::export`]), cut into pieces, each packed and
//! sealed; so that at any time a few pieces are in memory, however large it is. Then a mail that says where it is.

use std::time::Duration;

use bytes::Bytes;
use picket_shared::ids::ExportId;
use picket_shared::time::{Clock, Timestamp};
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver};
use uuid::Uuid;

use super::export::{Export, Pieces, Stopped, Wanted};
use super::mail::{self, MailError};
use crate::domain::access::Role;
use crate::domain::account_mail::About;
use crate::store::audit::{self, Author};
use crate::store::catalogue::Part;
use crate::store::exports::{self, Asked, ExportRow};
use crate::store::{Auth, OrgKey, Pools, StoreError, UserKey, members, organizations, users};
use crate::vault::{Class, Opener, Sealer, VaultError};

/// For so long a file is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// So many that are over stay for somebody, the one that is asked for besides.
const KEEP: i64 = 2;
/// Bytes of a piece before it is packed.
const PIECE: usize = 256 * 1024;
/// Who makes one holds it so long from piece to piece.
const LEASE: Duration = Duration::from_secs(300);
/// How long a mail is tried.
const GIVE_UP: Duration = Duration::from_secs(2 * 86_400);
/// Most bytes of a file, packed: what a disk of the smallest machine can spare.
const MOST_BYTES: u64 = 4 << 30;
/// How hard pieces are packed: text becomes a tenth.
const LEVEL: i32 = 3;

/// Why one could not be made.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The mail that tells of it could not be put down.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A piece could not be packed or unpacked.
    #[error("a piece of an export: {0}")]
    Packing(std::io::Error),
    /// It was erased, or another makes it by now.
    #[error("an export is not held any more")]
    Lost,
    /// It is larger than may be kept.
    #[error("it is larger than {} GiB packed: take its tables one by one", MOST_BYTES >> 30)]
    TooLarge,
}

/// Keeps exports. Cheap to clone; what opens files is in here alone.
#[derive(Clone, Debug)]
pub struct Exports {
    pools: Pools,
    sealer: Sealer,
    opener: Opener,
    mails: bool,
}

impl Exports {
    /// What keeps them; `mails` says whether mail can be sent.
    pub fn new(pools: Pools, sealer: Sealer, opener: Opener, mails: bool) -> Self {
        Self { pools, sealer, opener, mails }
    }

    /// Asks for one, or gives the same that is under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask(&self, asked: Asked, by: &Author, now: Timestamp) -> Result<ExportRow, StoreError> {
        let mut auth = self.pools.auth().await?;
        let id = ExportId::at(now).0;
        let (row, is_new) = exports::ask(&mut auth, asked, id, (now, now + KEPT, KEEP)).await?;
        if is_new {
            let detail = json!({ "part": asked.part, "format": asked.format });
            audit::append(&mut auth, &by.did("export.ask", &id.to_string(), detail, now)).await?;
        }
        auth.commit().await?;
        Ok(row)
    }

    /// Those about a user, and those of an organization that it owns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, user: UserKey, owned: Option<OrgKey>) -> Result<Vec<ExportRow>, StoreError> {
        exports::list(&mut self.pools.auth().await?, user, owned).await
    }

    /// The one of that name, if it is about a user or of an organization that it owns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, user: UserKey, owned: Option<OrgKey>, id: Uuid) -> Result<Option<ExportRow>, StoreError> {
        exports::find(&mut self.pools.auth().await?, user, owned, id).await
    }

    /// Gives the file of a ready one, piece by piece; that it is taken is written down first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn file(
        &self,
        row: &ExportRow,
        by: &Author,
        now: Timestamp,
    ) -> Result<Receiver<Result<Bytes, StoreError>>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let detail = json!({ "part": row.part, "format": row.format });
        audit::append(&mut auth, &by.did("export.take", &row.uuid.to_string(), detail, now)).await?;
        auth.commit().await?;
        let (to, from) = mpsc::channel(2);
        let (exports, id, pieces) = (self.clone(), row.id, row.pieces);
        tokio::spawn(async move {
            for number in 1..=pieces {
                let piece = exports.piece(id, number).await;
                let failed = piece.is_err();
                if to.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(from)
    }

    async fn piece(&self, id: i64, number: i32) -> Result<Bytes, StoreError> {
        let broken = StoreError::Inconsistent { table: "export_pieces", column: "sealed_piece", row: id };
        let piece = exports::piece(&mut self.pools.auth().await?, id, number).await?;
        let Some((uuid, size, sealed)) = piece else { return Err(broken) };
        let Ok(packed) = self.opener.open(Class::ExportPiece, uuid.as_bytes(), &sealed) else { return Err(broken) };
        let size = usize::try_from(size).unwrap_or_default();
        zstd::bulk::decompress(packed.expose(), size).map(Bytes::from).map_err(|_| broken)
    }

    /// Makes the next one that waits; whether there was one. Those whose file a crash took say so.
    ///
    /// # Errors
    /// When the database fails; what was begun is begun anew when nobody holds it any more.
    pub async fn run(&self, clock: &Clock) -> Result<bool, JobError> {
        let mut auth = self.pools.auth().await?;
        for id in exports::lost(&mut auth).await? {
            exports::fail(
                &mut auth,
                id,
                "its file is gone after the database ended unexpectedly: ask again",
                clock.now(),
            )
            .await?;
        }
        let now = clock.now();
        let row = exports::lease(&mut auth, now, now + LEASE).await?;
        auth.commit().await?;
        let Some(row) = row else { return Ok(false) };
        match self.make(&row, clock).await {
            Ok(()) => tracing::info!(export.id = %row.uuid, "Made the export {}", row.uuid),
            Err(JobError::Lost) => {
                tracing::info!(export.id = %row.uuid, "The export {} was erased while it was made", row.uuid)
            }
            Err(error @ JobError::TooLarge) => self.end(&row, &error.to_string(), clock.now()).await?,
            Err(error) => {
                tracing::error!(export.id = %row.uuid, "The export {} was not made: {error}", row.uuid);
                self.end(&row, "it could not be read: ask again, or ask whoever runs this Picket", clock.now()).await?;
            }
        }
        Ok(true)
    }

    async fn make(&self, row: &ExportRow, clock: &Clock) -> Result<(), JobError> {
        let Some(wanted) = self.wanted(row, clock.now()).await? else {
            return self.end(row, "who asked for it may not have it any more", clock.now()).await;
        };
        let export = Export::of(self.pools.clone(), wanted).await?;
        let (to, from) = mpsc::channel(2);
        let (at, csv) = (clock.now(), row.format == "csv");
        let writes = write(&export, csv, at, to);
        let (written, kept) = tokio::join!(writes, self.keep(row, from, clock));
        let pieces = kept?;
        let counts = match written {
            Ok(counts) => counts,
            Err(Stopped::Failed(error)) => return Err(error.into()),
            Err(Stopped::Packing(error)) => return Err(JobError::Packing(error)),
            Err(Stopped::Left) => return Err(JobError::Lost),
        };
        let mut auth = self.pools.auth().await?;
        let now = clock.now();
        if !exports::finish(&mut auth, row.id, (pieces, &counts), (now, now + KEPT)).await? {
            return Err(JobError::Lost);
        }
        self.tell(&mut auth, row, None, now).await?;
        Ok(auth.commit().await?)
    }

    /// What it is about. None where who asked is gone, or does not own the organization any more.
    async fn wanted(&self, row: &ExportRow, now: Timestamp) -> Result<Option<Wanted>, StoreError> {
        let mut auth = self.pools.auth().await?;
        let Some((id, email)) = users::exporter(&mut auth, row.user_id).await? else { return Ok(None) };
        if row.part != "organization" {
            return Ok(Some(Wanted { user: row.user_id, id, email, org: None, configuration: false, only: None }));
        }
        let role = members::role_of(&mut auth, row.org_id, row.user_id, now).await?;
        let org = role.filter(|role| *role == Role::Owner).map(|_| row.org_id);
        let only = Some(Part::Organization);
        Ok(org.map(|org| Wanted { user: row.user_id, id, email, org: Some(org), configuration: false, only }))
    }

    /// Packs, seals and stores what comes; gives how many pieces.
    async fn keep(
        &self,
        row: &ExportRow,
        mut from: Receiver<Result<Bytes, StoreError>>,
        clock: &Clock,
    ) -> Result<i32, JobError> {
        let (mut plain, mut number, mut packed) = (Vec::with_capacity(2 * PIECE), 0, 0);
        while let Some(bytes) = from.recv().await {
            plain.extend_from_slice(&bytes?);
            while plain.len() >= PIECE {
                let rest = plain.split_off(PIECE);
                number += 1;
                packed += self.keep_one(row, number, &plain, clock).await?;
                plain = rest;
                if packed > MOST_BYTES {
                    return Err(JobError::TooLarge);
                }
            }
        }
        if !plain.is_empty() {
            number += 1;
            self.keep_one(row, number, &plain, clock).await?;
        }
        Ok(number)
    }

    async fn keep_one(&self, row: &ExportRow, number: i32, plain: &[u8], clock: &Clock) -> Result<u64, JobError> {
        let packed = zstd::bulk::compress(plain, LEVEL).map_err(JobError::Packing)?;
        let now = clock.now();
        let id = ExportId::at(now).0;
        let sealed = self.sealer.seal(Class::ExportPiece, id.as_bytes(), &packed)?;
        let size = i32::try_from(plain.len()).unwrap_or(i32::MAX);
        let mut auth = self.pools.auth().await?;
        if !exports::add_piece(&mut auth, row, (number, id), (size, &sealed), now + LEASE).await? {
            return Err(JobError::Lost);
        }
        auth.commit().await?;
        Ok(sealed.0.len() as u64)
    }

    /// Says that one failed, and tells who asked.
    async fn end(&self, row: &ExportRow, why: &str, now: Timestamp) -> Result<(), JobError> {
        let mut auth = self.pools.auth().await?;
        if exports::fail(&mut auth, row.id, why, now).await? {
            self.tell(&mut auth, row, Some(why), now).await?;
        }
        Ok(auth.commit().await?)
    }

    async fn tell(
        &self,
        auth: &mut Auth,
        row: &ExportRow,
        failure: Option<&str>,
        now: Timestamp,
    ) -> Result<(), JobError> {
        let Some((_, Some(email))) = users::exporter(auth, row.user_id).await? else { return Ok(()) };
        let organization = match &*row.part {
            "organization" => organizations::name(auth, row.org_id).await?,
            _ => None,
        };
        let failure = failure.map(ToOwned::to_owned);
        let about = About::Export { at: now, organization, until: now + KEPT, failure };
        if self.mails {
            mail::put(auth, &self.sealer, (Some(row.user_id), &email), &about, (now, GIVE_UP)).await?;
        }
        Ok(())
    }
}

async fn write(export: &Export, csv: bool, at: Timestamp, to: Pieces) -> Result<serde_json::Value, Stopped> {
    if csv { export.archive(at, &to).await } else { export.document(at, &to).await }
}
