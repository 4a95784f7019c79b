//! What backups ask of a server that runs: base backups, and, of one that somebody else runs, its WAL by a slot.
//!
//! A server keeps all WAL from its slot on. The slot is moved by hand, to the end of what is archived: that way nothing that
//! PostgreSQL removes is missing in the archive, whatever becomes of this machine.

use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use sqlx::{Connection as _, PgConnection};
use url::Url;

use super::managed::{Identity, Layout};
use super::programs::Programs;
use super::{Access, DATABASE, PostgresError};

/// Where the certificates of authorities lie that the machine trusts, by which TLS is verified unless the URL says otherwise.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How base backups are taken.
#[derive(Clone, Debug)]
pub struct Replication {
    programs: Programs,
    way: Way,
}

/// The way to the server.
#[derive(Clone, Debug)]
enum Way {
    /// The managed cluster's socket.
    Socket(PathBuf),
    /// A login that may replicate.
    Url(SecretString),
}

impl Replication {
    /// Of the cluster in that data directory.
    ///
    /// # Errors
    /// When its programs are not installed.
    pub fn of(layout: &Layout, binaries: Option<&Path>) -> Result<Self, PostgresError> {
        let programs = Programs::find(binaries, &layout.pgdata())?;
        Ok(Self { programs, way: Way::Socket(layout.socket_directory()) })
    }

    /// Of the server at that URL, whose data is of that major version.
    ///
    /// # Errors
    /// When the programs of that version are not installed.
    pub fn at(url: &SecretString, binaries: Option<&Path>, major: u32) -> Result<Self, PostgresError> {
        Ok(Self { programs: Programs::of_major(binaries, major)?, way: Way::Url(url.clone()) })
    }

    /// The command that writes a base backup as a tar to its output, the manifest within, by these checksums.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn base_backup(
        &self,
        label: &str,
        checksums: &str,
        mib_per_second: u32,
    ) -> Result<std::process::Command, PostgresError> {
        let mut command = self.command("pg_basebackup")?;
        command.arg("--pgdata=-");
        command.args(["--format=tar", "--wal-method=none", "--checkpoint=fast", "--manifest-checksums", checksums]);
        command.arg("--label").arg(label);
        if mib_per_second > 0 {
            command.arg(format!("--max-rate={mib_per_second}M"));
        }
        Ok(command)
    }

    /// The command that writes WAL into a folder as it comes, from the newest file there on. It ends with the connection, and moves no
    /// slot. What lies there need not last: the server keeps it.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn receive_wal(&self, folder: &Path) -> Result<std::process::Command, PostgresError> {
        let mut command = self.command("pg_receivewal")?;
        command.arg("--directory").arg(folder).args(["--no-loop", "--no-sync", "--status-interval=5"]);
        Ok(command)
    }

    fn command(&self, program: &str) -> Result<std::process::Command, PostgresError> {
        let mut command = std::process::Command::new(self.programs.path(program));
        command.env("LC_ALL", "C").env("PGAPPNAME", "picket archive").env("PGCONNECT_TIMEOUT", "10");
        match &self.way {
            Way::Socket(socket) => {
                command.arg("--host").arg(socket).arg("--username=picket_backup");
            }
            Way::Url(url) => {
                let (url, password) = parted(url)?;
                // Defaults, which the URL's own parameters outdo. The password is in no list of processes.
                command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", AUTHORITIES);
                command.env("PGPASSWORD", password.expose()).arg("--dbname").arg(url);
            }
        }
        command.arg("--no-password");
        Ok(command)
    }
}

/// A URL without its password, and the password.
fn parted(url: &SecretString) -> Result<(String, SecretString), PostgresError> {
    let mut parsed = Url::parse(url.expose().trim())
        .map_err(|error| PostgresError::Upstream(format!("[archive] replication_url_file holds no URL: {error}")))?;
    let decoded =
        parsed.password().map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
    let _ = parsed.set_password(None);
    Ok((parsed.into(), SecretString::new(decoded.unwrap_or_default())))
}

/// A server that somebody else runs, and the slot by which it keeps WAL.
#[derive(Clone, Debug)]
pub struct Upstream {
    url: SecretString,
    slot: String,
    binaries: Option<PathBuf>,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Which cluster.
    pub identity: Identity,
    /// Bytes of a segment of its WAL.
    pub segment_bytes: u64,
    /// The timeline that it writes.
    pub timeline: u32,
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From here on WAL is kept.
    pub kept_from: u64,
    /// Up to here there is any.
    pub written: u64,
}

impl Upstream {
    /// The server at that URL, whose login may replicate; `slot` is ours there.
    pub fn new(url: SecretString, slot: String, binaries: Option<PathBuf>) -> Self {
        Self { url, slot, binaries }
    }

    /// The slot's name.
    pub fn slot(&self) -> &str {
        &self.slot
    }

    /// How base backups are taken of it, and WAL received.
    ///
    /// # Errors
    /// When the programs of its version are not installed here.
    pub fn replication(&self, major: u32) -> Result<Replication, PostgresError> {
        Replication::at(&self.url, self.binaries.as_deref(), major)
    }

    /// A connection by the login that may replicate.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn connect(&self) -> Result<PgConnection, PostgresError> {
        Access::Url(self.url.clone()).connect_by_login().await
    }

    /// Has the server keep its WAL from now on, if it does not yet.
    ///
    /// # Errors
    /// When the server does not answer, or has no slot left.
    pub async fn keep(&self) -> Result<(), PostgresError> {
        let mut conn = self.connect().await?;
        let kept = slot(&mut conn, &self.slot).await;
        let _ = conn.close().await;
        kept.map(drop)
    }

    /// What it is, if a copy of it can be made that Picket runs on.
    ///
    /// # Errors
    /// What must be changed there, or that it does not answer.
    pub async fn look(&self) -> Result<Server, PostgresError> {
        let mut conn = self.connect().await?;
        let seen = look(&mut conn).await;
        let _ = conn.close().await;
        seen
    }
}

async fn look(conn: &mut PgConnection) -> Result<Server, PostgresError> {
    type Row = (i64, i32, i64, i32, bool, bool, bool, bool, String, String);
    let row: Row = sqlx::query_as(
        "SELECT s.system_identifier, current_setting('server_version_num')::int / 10000,
                pg_size_bytes(current_setting('wal_segment_size')), c.timeline_id, pg_is_in_recovery(),
                EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolreplication OR rolsuper)),
                EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres' AND rolsuper),
                has_function_privilege('pg_switch_wal()', 'EXECUTE')
                    OR current_setting('archive_timeout') <> '0',
                current_setting('wal_level'), current_database()
         FROM pg_control_system() s, pg_control_checkpoint() c",
    )
    .fetch_one(conn)
    .await?;
    let (system, major, segment_bytes, timeline, is_standby, replicates, postgres, switches, level, database) = row;
    let wrong = |why: &str| Err(PostgresError::Upstream(why.to_owned()));
    if is_standby {
        return wrong("the external database is a standby: let [archive] replication_url_file name the primary");
    }
    if database != DATABASE {
        return wrong(&format!(
            "the external database is named {database}, and copies of it are only opened by the name {DATABASE}: run ALTER DATABASE \
             ... RENAME TO {DATABASE}, and name it so in both URLs"
        ));
    }
    if !replicates {
        return wrong(
            "the login of [archive] replication_url_file may not replicate: run ALTER ROLE ... REPLICATION on the external database",
        );
    }
    if level == "minimal" {
        return wrong(
            "the external database has wal_level = minimal, and no copy of it can go on from its WAL: set replica",
        );
    }
    if !postgres {
        return wrong(
            "the external database has no superuser named postgres, by whom copies of it are opened: run CREATE ROLE postgres \
             SUPERUSER NOLOGIN",
        );
    }
    if !switches {
        return wrong(
            "the external database hands WAL over only in whole segments, which may take hours: run GRANT EXECUTE ON FUNCTION \
             pg_switch_wal() TO the login of [archive] replication_url_file, or set archive_timeout = 30s",
        );
    }
    Ok(Server {
        // PostgreSQL writes the same 64 bits as a number with a sign.
        identity: Identity { system: system.cast_unsigned(), major: major.cast_unsigned() },
        segment_bytes: segment_bytes.cast_unsigned(),
        timeline: timeline.cast_unsigned(),
    })
}

/// How the slot stands; made if it is missing, and made anew if the server threw away what it should have kept.
///
/// # Errors
/// When the server fails, or has no slot left.
pub async fn slot(conn: &mut PgConnection, name: &str) -> Result<Slot, PostgresError> {
    if let Some(slot) = standing(conn, name).await? {
        return Ok(slot);
    }
    sqlx::query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1")
        .bind(name)
        .execute(&mut *conn)
        .await?;
    sqlx::query("SELECT pg_create_physical_replication_slot($1, true)").bind(name).execute(&mut *conn).await?;
    tracing::warn!(
        slot = name,
        "Made the replication slot {name} at the external database: what it wrote before is not in the archive"
    );
    let made = standing(conn, name).await?;
    made.ok_or_else(|| PostgresError::Upstream(format!("the replication slot {name} was made and is not there")))
}

async fn standing(conn: &mut PgConnection, name: &str) -> Result<Option<Slot>, PostgresError> {
    let found: Option<(i64, i64)> = sqlx::query_as(
        "SELECT (restart_lsn - '0/0')::bigint, (pg_current_wal_flush_lsn() - '0/0')::bigint
         FROM pg_replication_slots WHERE slot_name = $1 AND restart_lsn IS NOT NULL AND wal_status <> 'lost'",
    )
    .bind(name)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|(from, to)| Slot { kept_from: from.cast_unsigned(), written: to.cast_unsigned() }))
}

/// What was written before `lsn` need not be kept any more.
///
/// # Errors
/// When the server fails, or has no such slot any more.
pub async fn let_go(conn: &mut PgConnection, name: &str, lsn: u64) -> Result<(), PostgresError> {
    let moved = sqlx::query(
        "SELECT CASE WHEN restart_lsn < '0/0'::pg_lsn + $2::numeric
                     THEN pg_replication_slot_advance(slot_name, '0/0'::pg_lsn + $2::numeric) END
         FROM pg_replication_slots WHERE slot_name = $1 AND wal_status <> 'lost'",
    )
    .bind(name)
    .bind(i64::try_from(lsn).unwrap_or(i64::MAX))
    .fetch_optional(conn)
    .await?;
    moved.map(drop).ok_or_else(|| {
        PostgresError::Upstream(format!(
            "the replication slot {name} is gone from the external database, and is made anew"
        ))
    })
}

/// Up to where WAL is written.
///
/// # Errors
/// When the server fails.
pub async fn written(conn: &mut PgConnection) -> Result<u64, PostgresError> {
    let (lsn,): (i64,) = sqlx::query_as("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetch_one(conn).await?;
    Ok(lsn.cast_unsigned())
}

/// Ends the segment that is being written, where that is allowed.
///
/// # Errors
/// When the server fails.
pub async fn switch(conn: &mut PgConnection) -> Result<(), PostgresError> {
    sqlx::query("SELECT CASE WHEN has_function_privilege('pg_switch_wal()', 'EXECUTE') THEN pg_switch_wal() END")
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_argument_of_a_program() {
        let url =
            SecretString::new("postgres://rep:s%2Fecret@db.example.org:5433/picket?sslmode=verify-ca\n".to_owned());
        let replication = Replication { programs: Programs::of_major(None, 15).unwrap(), way: Way::Url(url) };
        let command = replication.receive_wal(Path::new("/spool")).unwrap();
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert!(
            arguments.contains(&"postgres://rep@db.example.org:5433/picket?sslmode=verify-ca".to_owned()),
            "{arguments:?}"
        );
        assert!(!arguments.iter().any(|word| word.contains("ecret")), "{arguments:?}");
        let password = command.get_envs().find(|(name, _)| *name == "PGPASSWORD").unwrap().1;
        assert_eq!(password.unwrap(), "s/ecret");
        let none = Replication { way: Way::Url(SecretString::new("db.example.org".to_owned())), ..replication };
        assert!(none.base_backup("x", "CRC32C", 0).unwrap_err().to_string().contains("replication_url_file"));
    }
}
