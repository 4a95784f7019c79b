//! After a rotation every sealed value is sealed by the new key, in every column there is, and opens as before.

use picket_collector::ops::rotation::{self, Report};
use picket_collector::store::sealed::{self, Place};
use picket_collector::vault::opener::key_of;
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::database::TestDatabase;

/// The id that everything here is sealed for.
const ID: Uuid = Uuid::from_u128(5);

fn hex(sealer: &Sealer, class: Class) -> String {
    sealer.seal(class, ID.as_bytes(), b"s3cret").unwrap().0.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn filled(sealer: &Sealer) -> TestDatabase {
    let database = TestDatabase::new().await;
    let sql = format!(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0);
         INSERT INTO regions (code, network, eu, created_at) VALUES ('eu', 'n', true, 0);
         INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES ('{ID}', 'a@example.org', 'x', 0, 0);
         INSERT INTO totp_secrets (user_id, sealed_secret, created_at) VALUES (1, '\\x{}', 0);
         INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES ('{ID}', 1, 'p', '\\x{}', 0);
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, sealed_secret)
             VALUES ('{ID}', 1, 'm', 'tcp', 't', '{{}}', 60, 1000, 1, 0, 0, '\\x{}');
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, sealed_hook, sealed_key, sealed_former_key, created_at)
             VALUES ('{ID}', 1, 'c', 'email', 'h', '\\x{}', '\\x{}', '\\x{}', '\\x{}', 0);
         INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at) VALUES ('{ID}', 1, 1, '{{}}', 'pending', 0, 0);
         INSERT INTO channel_proofs (org_id, channel_id, delivery_id, sealed_code, created_at, expires_at) VALUES (1, 1, 1, '\\x{}', 0, 9);
         INSERT INTO account_mails (uuid, template, sealed_parameters, created_at, next_at, gives_up_at) VALUES ('{ID}', 't', '\\x{}', 0, 0, 9);
         INSERT INTO exports (uuid, org_id, user_id, part, format, asked_at, expires_at) VALUES ('{ID}', 1, 1, 'account', 'json', 0, 9);
         INSERT INTO export_pieces (uuid, export_id, org_id, user_id, number, size, sealed_piece) VALUES ('{ID}', 1, 1, 1, 1, 6, '\\x{}')",
        hex(sealer, Class::TotpSecret),
        hex(sealer, Class::ProbeSecret),
        hex(sealer, Class::MonitorSecret),
        hex(sealer, Class::ChannelSettings),
        hex(sealer, Class::HookSecret),
        hex(sealer, Class::WebhookKey),
        hex(sealer, Class::WebhookKey),
        hex(sealer, Class::ChannelCode),
        hex(sealer, Class::AccountMail),
        hex(sealer, Class::ExportPiece),
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.login("postgres").await).await.unwrap();
    database
}

#[tokio::test]
async fn every_sealed_value_is_sealed_again_by_the_newest_key_and_opens_as_before() {
    let mut ring = KeyRing::generate().unwrap();
    let (sealer, opener, old) = (Sealer::new(&ring), Opener::new(&ring), ring.newest_id());
    let database = filled(&sealer).await;
    // A channel without a destination has nothing that could be sealed again.
    let unset =
        "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, unset_at, unset_why)
        VALUES (gen_random_uuid(), 1, 'unset', 'email', 'h', '', 0, 1, 'erased')";
    database.login("postgres").await.execute(unset).await.unwrap();
    let nothing = rotation::run(&database.pools, &sealer, &opener).await.unwrap();
    assert_eq!(nothing, Report::default());
    ring.rotate(Timestamp::from_seconds(1)).unwrap();
    // Clones of before follow.
    let clone = sealer.clone();
    sealer.follow(&ring);
    opener.follow(&ring);
    assert_eq!(clone.key_id(), ring.newest_id());
    let done = rotation::run(&database.pools, &sealer, &opener).await.unwrap();
    assert_eq!(done, Report { again: Place::ALL.len(), stuck: 0 });
    let mut superuser = database.login("postgres").await;
    for place in Place::ALL {
        let (table, column) = place.name().split_once('.').unwrap();
        let query =
            AssertSqlSafe(format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 DESC LIMIT 1"));
        let value: Vec<u8> = sqlx::query_scalar(query).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(key_of(&value), Some(ring.newest_id()), "{}", place.name());
        let class = match place {
            Place::Mails => Class::AccountMail,
            Place::Codes => Class::ChannelCode,
            Place::Channels => Class::ChannelSettings,
            Place::Hooks => Class::HookSecret,
            Place::Keys | Place::FormerKeys => Class::WebhookKey,
            Place::Monitors => Class::MonitorSecret,
            Place::Probes => Class::ProbeSecret,
            Place::Totp => Class::TotpSecret,
            Place::Exports => Class::ExportPiece,
        };
        let secret = opener.open(class, ID.as_bytes(), &Sealed(value)).unwrap();
        assert_eq!(secret.expose(), b"s3cret", "{}", place.name());
    }
    let (mut worker, mut auth) = (database.pools.worker().await.unwrap(), database.pools.auth().await.unwrap());
    let counts = sealed::count(&mut worker, &mut auth).await.unwrap();
    assert!(counts.iter().all(|(_, beginning, _)| key_of(beginning) != Some(old)), "{counts:?}");
    assert_eq!(counts.len(), Place::ALL.len());
    assert_eq!(rotation::run(&database.pools, &sealer, &opener).await.unwrap(), Report::default());
}

#[tokio::test]
async fn a_value_that_no_key_opens_is_left_as_it_is_and_holds_nothing_up() {
    let mut ring = KeyRing::generate().unwrap();
    let database = filled(&Sealer::new(&ring)).await;
    let lost = hex(&Sealer::new(&KeyRing::generate().unwrap()), Class::MonitorSecret);
    let set = format!("UPDATE monitors SET sealed_secret = '\\x{lost}'");
    database.login("postgres").await.execute(AssertSqlSafe(set)).await.unwrap();
    ring.rotate(Timestamp::from_seconds(1)).unwrap();
    let done = rotation::run(&database.pools, &Sealer::new(&ring), &Opener::new(&ring)).await.unwrap();
    assert_eq!(done, Report { again: Place::ALL.len() - 1, stuck: 1 });
    let left: String = sqlx::query_scalar("SELECT encode(sealed_secret, 'hex') FROM monitors")
        .fetch_one(&mut database.login("postgres").await)
        .await
        .unwrap();
    assert_eq!(left, lost);
}
