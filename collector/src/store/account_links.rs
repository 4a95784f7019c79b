//! Links that are mailed or printed: each does one thing, once. Only hashes of their tokens are here.

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, UserKey};

/// What a link may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Let somebody in.
    SignIn,
    /// Choose another password.
    Reset,
    /// The same, by the operator's word.
    Recover,
    /// Make an account.
    SignUp,
    /// Show that mail to the address arrives.
    Confirm,
    /// Agree at the present address to another.
    ChangeOld,
    /// Agree at the other address.
    ChangeNew,
    /// Bring back what was closed.
    Restore,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 8] = [
        Self::SignIn,
        Self::Reset,
        Self::Recover,
        Self::SignUp,
        Self::Confirm,
        Self::ChangeOld,
        Self::ChangeNew,
        Self::Restore,
    ];

    /// Its word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Reset => "reset",
            Self::Recover => "recover",
            Self::SignUp => "sign_up",
            Self::Confirm => "confirm",
            Self::ChangeOld => "change_old",
            Self::ChangeNew => "change_new",
            Self::Restore => "restore",
        }
    }
}

/// A link.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it may do.
    pub purpose: Purpose,
    /// The address that it was made for.
    pub email: String,
    /// Who asked, where that was somebody who is signed in.
    pub user: Option<UserKey>,
    /// The browser that asked, where no other may use it.
    pub browser_hash: Option<Vec<u8>>,
    /// What it brings back.
    pub closure: Option<i64>,
}

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// Of its token.
    pub token_hash: &'a [u8; 32],
    /// What it may do.
    pub purpose: Purpose,
    /// For which address.
    pub email: &'a str,
    /// Who asks, where that is somebody who is signed in.
    pub user: Option<UserKey>,
    /// The browser that asks, where no other may use it.
    pub browser_hash: Option<&'a [u8; 32]>,
    /// Until when it works.
    pub expires: Timestamp,
}

/// Makes a link.
///
/// # Errors
/// When the database fails.
pub async fn insert(auth: &mut Auth, new: &NewLink<'_>, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO account_links (token_hash, purpose, email, user_id, browser_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.token_hash.as_slice())
    .bind(new.purpose.as_str())
    .bind(new.email)
    .bind(new.user)
    .bind(new.browser_hash.map(<[u8; 32]>::as_slice))
    .bind(now.micros())
    .bind(new.expires.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("account_links", 1, done.rows_affected())
}

type Row = (String, String, Option<UserKey>, Option<Vec<u8>>, Option<i64>);

fn link(row: Option<Row>) -> Option<Link> {
    let (purpose, email, user, browser_hash, closure) = row?;
    let purpose = Purpose::ALL.into_iter().find(|known| known.as_str() == purpose)?;
    Some(Link { purpose, email, user, browser_hash, closure })
}

/// Makes a link that brings something back.
///
/// # Errors
/// When the database fails.
pub async fn insert_restore(
    auth: &mut Auth,
    (token_hash, closure): (&[u8; 32], i64),
    (user, email): (UserKey, &str),
    (now, expires): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO account_links (token_hash, purpose, email, user_id, closure_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token_hash.as_slice())
    .bind(Purpose::Restore.as_str())
    .bind(email)
    .bind(user)
    .bind(closure)
    .bind(now.micros())
    .bind(expires.micros())
    .execute(auth.conn())
    .await?;
    StoreError::expect_rows("account_links", 1, done.rows_affected())
}

/// The link of a token, while it works; looking at it does not use it.
///
/// # Errors
/// When the database fails.
pub async fn find(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT purpose, email, user_id, browser_hash, closure_id FROM account_links
         WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    Ok(link(row))
}

/// Uses a link up. None when it does not work (any more): of many at once, one wins.
///
/// # Errors
/// When the database fails.
pub async fn use_up(auth: &mut Auth, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "UPDATE account_links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
         RETURNING purpose, email, user_id, browser_hash, closure_id",
    )
    .bind(token_hash.as_slice())
    .bind(now.micros())
    .fetch_optional(auth.conn())
    .await?;
    Ok(link(row))
}

/// Ends every link of a user and of an address, as what they would do is no longer wanted; but for those that bring back what was
/// closed.
///
/// # Errors
/// When the database fails.
pub async fn end_all(auth: &mut Auth, user: UserKey, email: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM account_links WHERE (user_id = $1 OR email = $2) AND purpose <> 'restore'")
        .bind(user)
        .bind(email)
        .execute(auth.conn())
        .await?;
    Ok(())
}

/// Ends the links of a user that agree to another address: there is a newer wish.
///
/// # Errors
/// When the database fails.
pub async fn end_changes(auth: &mut Auth, user: UserKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM account_links WHERE user_id = $1 AND purpose IN ('change_old', 'change_new')")
        .bind(user)
        .execute(auth.conn())
        .await?;
    Ok(())
}
