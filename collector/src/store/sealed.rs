//! Sealed values, wherever they are: by which key each is sealed, and the same again by another. What stands in them nobody reads here.

use uuid::Uuid;

use super::{Auth, Conn, StoreError, Worker};

/// A column of sealed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What mails about accounts say.
    Mails,
    /// Codes that prove channels.
    Codes,
    /// Settings of channels.
    Channels,
    /// What providers sign by.
    Hooks,
    /// What webhooks sign by since their keys were rotated.
    Keys,
    /// What they signed by before.
    FormerKeys,
    /// What monitors log in with.
    Monitors,
    /// Secrets of probes.
    Probes,
    /// What one-time codes are made of.
    Totp,
    /// Files of exports.
    Exports,
}

impl Place {
    /// Every one, but that of manual checks, which live for an hour and are not for these roles to read.
    pub const ALL: [Self; 10] = [
        Self::Mails,
        Self::Codes,
        Self::FormerKeys,
        Self::Hooks,
        Self::Keys,
        Self::Channels,
        Self::Exports,
        Self::Monitors,
        Self::Probes,
        Self::Totp,
    ];

    /// Table and column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mails => "account_mails.sealed_parameters",
            Self::Codes => "channel_proofs.sealed_code",
            Self::Channels => "channels.sealed_settings",
            Self::Hooks => "channels.sealed_hook",
            Self::Keys => "channels.sealed_key",
            Self::FormerKeys => "channels.sealed_former_key",
            Self::Monitors => "monitors.sealed_secret",
            Self::Probes => "probes.sealed_secret",
            Self::Totp => "totp_secrets.sealed_secret",
            Self::Exports => "export_pieces.sealed_piece",
        }
    }

    /// Whether it is of the role that lets people in; else of the worker.
    pub const fn is_of_auth(self) -> bool {
        matches!(self, Self::Probes | Self::Totp | Self::Exports)
    }

    /// `$1` is how values begin that are as they should be, `$2` the row after which to look.
    const fn others(self) -> &'static str {
        match self {
            Self::Mails => {
                "SELECT id, uuid, sealed_parameters FROM account_mails
                 WHERE substr(sealed_parameters, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Codes => {
                "SELECT p.channel_id, d.uuid, p.sealed_code FROM channel_proofs p JOIN deliveries d ON d.id = p.delivery_id
                 WHERE substr(p.sealed_code, 1, 5) <> $1 AND p.channel_id > $2 ORDER BY p.channel_id LIMIT 200"
            }
            Self::Channels => {
                "SELECT id, uuid, sealed_settings FROM channels
                 WHERE substr(sealed_settings, 1, 5) <> $1 AND sealed_settings <> '' AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Hooks => {
                "SELECT id, uuid, sealed_hook FROM channels
                 WHERE substr(sealed_hook, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Keys => {
                "SELECT id, uuid, sealed_key FROM channels
                 WHERE substr(sealed_key, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::FormerKeys => {
                "SELECT id, uuid, sealed_former_key FROM channels
                 WHERE substr(sealed_former_key, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Monitors => {
                "SELECT id, uuid, sealed_secret FROM monitors
                 WHERE substr(sealed_secret, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Probes => {
                "SELECT id, uuid, sealed_secret FROM probes
                 WHERE substr(sealed_secret, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 200"
            }
            Self::Totp => {
                "SELECT s.user_id, u.uuid, s.sealed_secret FROM totp_secrets s JOIN users u ON u.id = s.user_id
                 WHERE substr(s.sealed_secret, 1, 5) <> $1 AND s.user_id > $2 ORDER BY s.user_id LIMIT 200"
            }
            // These are large.
            Self::Exports => {
                "SELECT id, uuid, sealed_piece FROM export_pieces
                 WHERE substr(sealed_piece, 1, 5) <> $1 AND id > $2 ORDER BY id LIMIT 10"
            }
        }
    }

    /// `$1` is the row, `$2` what is to stand there, `$3` what stood there.
    const fn put(self) -> &'static str {
        match self {
            Self::Mails => "UPDATE account_mails SET sealed_parameters = $2 WHERE id = $1 AND sealed_parameters = $3",
            Self::Codes => "UPDATE channel_proofs SET sealed_code = $2 WHERE channel_id = $1 AND sealed_code = $3",
            Self::Channels => "UPDATE channels SET sealed_settings = $2 WHERE id = $1 AND sealed_settings = $3",
            Self::Hooks => "UPDATE channels SET sealed_hook = $2 WHERE id = $1 AND sealed_hook = $3",
            Self::Keys => "UPDATE channels SET sealed_key = $2 WHERE id = $1 AND sealed_key = $3",
            Self::FormerKeys => "UPDATE channels SET sealed_former_key = $2 WHERE id = $1 AND sealed_former_key = $3",
            Self::Monitors => "UPDATE monitors SET sealed_secret = $2 WHERE id = $1 AND sealed_secret = $3",
            Self::Probes => "UPDATE probes SET sealed_secret = $2 WHERE id = $1 AND sealed_secret = $3",
            Self::Totp => "UPDATE totp_secrets SET sealed_secret = $2 WHERE user_id = $1 AND sealed_secret = $3",
            Self::Exports => "UPDATE export_pieces SET sealed_piece = $2 WHERE id = $1 AND sealed_piece = $3",
        }
    }
}

/// A sealed value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its row.
    pub row: i64,
    /// What it is sealed for: the id of its row, or of what that belongs to.
    pub context: Uuid,
    /// The value.
    pub sealed: Vec<u8>,
}

/// Values of a place that begin otherwise, 200 at most, after a row.
///
/// # Errors
/// When the database fails.
pub async fn others(
    conn: &mut impl Conn,
    place: Place,
    beginning: &[u8],
    after: i64,
) -> Result<Vec<Value>, StoreError> {
    let rows: Vec<(i64, Uuid, Vec<u8>)> =
        sqlx::query_as(place.others()).bind(beginning).bind(after).fetch_all(conn.conn()).await?;
    Ok(rows.into_iter().map(|(row, context, sealed)| Value { row, context, sealed }).collect())
}

/// Puts a value into the place of another; false where that is not there any more.
///
/// # Errors
/// When the database fails.
pub async fn put(conn: &mut impl Conn, place: Place, value: &Value, new: &[u8]) -> Result<bool, StoreError> {
    let done = sqlx::query(place.put()).bind(value.row).bind(new).bind(&value.sealed).execute(conn.conn()).await?;
    Ok(done.rows_affected() == 1)
}

/// How many values of each place begin how: the vault knows by which key such a value is sealed.
///
/// # Errors
/// When the database fails.
pub async fn count(worker: &mut Worker, auth: &mut Auth) -> Result<Vec<(String, Vec<u8>, i64)>, StoreError> {
    let mut found: Vec<(String, Vec<u8>, i64)> = sqlx::query_as(
        "SELECT 'channels.sealed_settings', substr(sealed_settings, 1, 5), count(*) FROM channels WHERE sealed_settings <> '' GROUP BY 2
         UNION ALL SELECT 'channels.sealed_hook', substr(sealed_hook, 1, 5), count(*) FROM channels WHERE sealed_hook IS NOT NULL GROUP BY 2
         UNION ALL SELECT 'channels.sealed_key', substr(sealed_key, 1, 5), count(*) FROM channels WHERE sealed_key IS NOT NULL GROUP BY 2
         UNION ALL SELECT 'channels.sealed_former_key', substr(sealed_former_key, 1, 5), count(*) FROM channels
             WHERE sealed_former_key IS NOT NULL GROUP BY 2
         UNION ALL SELECT 'monitors.sealed_secret', substr(sealed_secret, 1, 5), count(*) FROM monitors WHERE sealed_secret IS NOT NULL GROUP BY 2
         UNION ALL SELECT 'channel_proofs.sealed_code', substr(sealed_code, 1, 5), count(*) FROM channel_proofs WHERE sealed_code IS NOT NULL GROUP BY 2
         UNION ALL SELECT 'account_mails.sealed_parameters', substr(sealed_parameters, 1, 5), count(*) FROM account_mails
             WHERE sealed_parameters IS NOT NULL GROUP BY 2",
    )
    .fetch_all(worker.conn())
    .await?;
    let more: Vec<(String, Vec<u8>, i64)> = sqlx::query_as(
        "SELECT 'totp_secrets.sealed_secret', substr(sealed_secret, 1, 5), count(*) FROM totp_secrets GROUP BY 2
         UNION ALL SELECT 'probes.sealed_secret', substr(sealed_secret, 1, 5), count(*) FROM probes GROUP BY 2
         UNION ALL SELECT 'export_pieces.sealed_piece', substr(sealed_piece, 1, 5), count(*) FROM export_pieces GROUP BY 2",
    )
    .fetch_all(auth.conn())
    .await?;
    found.extend(more);
    Ok(found)
}
