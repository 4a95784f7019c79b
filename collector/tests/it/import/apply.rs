//! Imports against rows: once, again, after edits, many at once.

use picket_collector::import::{self, Choice, Reading, Source, Upload};
use picket_collector::store::imports::{self, Which};
use picket_collector::store::monitors;
use picket_collector::vault::Class;

use super::{House, Kuma, NOW, csv, outcomes, why};

const TABLE: &str = "name,target,interval,tags,external_key,basic_user,basic_password\n\
                     Shop,https://shop.example/,30s,web,k1,picket,canary-1\n\
                     Search,https://shop.example/search,60s,,k2,,\n";

fn changed(from: &str, to: &str) -> String {
    assert!(TABLE.contains(from));
    TABLE.replace(from, to)
}

fn overwrite() -> Choice {
    Choice { overwrite: true, ..Choice::default() }
}

#[tokio::test]
async fn a_dry_run_says_what_is_done_then_and_writes_nothing() {
    let house = House::new().await;
    let kuma = Kuma::new(2, &[]);
    let planned = house.try_import(Source::Kuma, kuma.read(), &Choice::default(), false).await.unwrap();
    assert_eq!(house.number("SELECT count(*) FROM monitors").await, 0);
    assert_eq!(house.number("SELECT version FROM assignment_clock").await, 1);
    let done = house.try_import(Source::Kuma, kuma.read(), &Choice::default(), true).await.unwrap();
    assert_eq!((planned.applied, done.applied), (false, true));
    assert_eq!((&planned.monitors, planned.counts, &planned.left), (&done.monitors, done.counts, &done.left));
    assert_eq!(house.number("SELECT count(*) FROM monitors").await, i64::try_from(done.counts.taken).unwrap());
}

#[tokio::test]
async fn an_import_that_comes_again_changes_nothing() {
    let house = House::new().await;
    let kuma = Kuma::new(1, &[]);
    let first = house.try_import(Source::Kuma, kuma.read(), &Choice::default(), true).await.unwrap();
    let version = house.number("SELECT version FROM assignment_clock").await;
    let again = house.try_import(Source::Kuma, kuma.read(), &Choice::default(), true).await.unwrap();
    assert_eq!((again.counts.unchanged, again.counts.refused), (first.counts.taken, first.counts.refused));
    assert_eq!((again.counts.taken, again.counts.changed, again.counts.kept), (0, 0, 0));
    assert_eq!(house.number("SELECT version FROM assignment_clock").await, version);
    assert_eq!(house.number("SELECT count(*) FROM audit").await, i64::try_from(first.counts.taken).unwrap());
}

#[tokio::test]
async fn a_change_at_the_source_changes_that_monitor_and_no_other() {
    let house = House::new().await;
    house.import(TABLE).await;
    let report = house.import(&changed("search,60s", "find,90s")).await;
    assert_eq!(outcomes(&report), ["Shop: unchanged", "Search: changed interval url"]);
    let row = house.monitor("Search").await;
    assert_eq!(
        (row.version, row.settings.interval_s, row.settings.spec.target().as_str()),
        (2, 90, "https://shop.example/find")
    );
    assert_eq!(house.monitor("Shop").await.version, 1);
    let report = house
        .import(&changed("web,k1", "shop,k1").replace("canary-1", "canary-2").replace("search,60s", "find,90s"))
        .await;
    assert_eq!(outcomes(&report), ["Shop: changed tags credentials", "Search: unchanged"]);
    let tags = house.monitor("Shop").await.settings.tags;
    assert_eq!(tags, ["shop", "imported-2026-09-21"]);
}

#[tokio::test]
async fn what_a_person_edited_or_deleted_since_is_left_unless_overwritten() {
    let house = House::new().await;
    house.import(TABLE).await;
    let row = house.monitor("Shop").await;
    let mut scoped = house.database.pools.scoped(house.org).await.unwrap();
    let edited = monitors::Settings { interval_s: 300, ..row.settings };
    monitors::edit(&mut scoped, row.key, row.version, &edited, NOW).await.unwrap();
    let search = house.monitor("Search").await.key;
    assert!(monitors::delete(&mut scoped, search, NOW).await.unwrap());
    scoped.commit().await.unwrap();
    let report = house.import(TABLE).await;
    assert_eq!(outcomes(&report), ["Shop: kept", "Search: kept"]);
    assert!(why(&report, "Shop").contains("differs in interval"));
    assert!(why(&report, "Search").contains("deleted"));
    assert_eq!(house.monitor("Shop").await.settings.interval_s, 300);
    let report = house.try_import(Source::Csv, csv(TABLE), &overwrite(), true).await.unwrap();
    assert_eq!(outcomes(&report), ["Shop: changed interval", "Search: taken"]);
    assert_eq!(house.monitor("Shop").await.settings.interval_s, 30);
    assert_eq!(outcomes(&house.import(TABLE).await), ["Shop: unchanged", "Search: unchanged"]);
}

#[tokio::test]
async fn a_pause_by_hand_is_an_edit_and_a_pause_at_the_source_is_a_change() {
    let house = House::new().await;
    house.import("target,name,paused\nhttps://a.example/,a,no\nhttps://b.example/,b,no\n").await;
    let mut scoped = house.database.pools.scoped(house.org).await.unwrap();
    let key = house.monitor("a").await.key;
    assert!(monitors::pause(&mut scoped, key, NOW).await.unwrap());
    scoped.commit().await.unwrap();
    let report = house.import("target,name,paused\nhttps://a.example/,a,no\nhttps://b.example/,b,yes\n").await;
    assert_eq!(outcomes(&report), ["a: kept", "b: changed paused"]);
    assert!(house.monitor("b").await.paused_at.is_some());
}

#[tokio::test]
async fn names_may_go_from_one_monitor_to_another() {
    let house = House::new().await;
    let table = |a: &str, b: &str, c: &str| {
        format!(
            "target,external_key,name\nhttps://a.example/,1,{a}\nhttps://b.example/,2,{b}\nhttps://c.example/,3,{c}\n"
        )
    };
    house.import(&table("a", "b", "c")).await;
    let report = house.import(&table("b", "c", "a")).await;
    assert_eq!(outcomes(&report), ["b: changed name", "c: changed name", "a: changed name"]);
    assert_eq!(house.monitor("a").await.external_key.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_name_that_somebody_keeps_is_refused_and_so_is_what_waited_for_it() {
    let house = House::new().await;
    let table = "target,external_key,name\nhttps://a.example/,1,a\nhttps://b.example/,2,b\n";
    house.import(table).await;
    let row = house.monitor("a").await;
    let mut scoped = house.database.pools.scoped(house.org).await.unwrap();
    let mine = monitors::Settings { name: "mine".to_owned(), ..row.settings };
    let id = picket_shared::ids::MonitorId::at(NOW);
    monitors::insert(&mut scoped, id, &mine, NOW).await.unwrap();
    scoped.commit().await.unwrap();
    // 1 wants the name of a stranger, so 2 cannot have that of 1.
    let report = house
        .import("target,external_key,name\nhttps://a.example/,1,mine\nhttps://b.example/,2,a\nhttps://c.example/,3,c\n")
        .await;
    assert_eq!(outcomes(&report), ["mine: refused", "a: refused", "c: taken"]);
    assert!(why(&report, "a").contains("called \"a\" already"));
    assert_eq!(house.monitor("a").await.external_key.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_monitor_keeps_its_kind() {
    let house = House::new().await;
    house.import("kind,target,name\ntcp,a.example:25,a\n").await;
    let report = house.import("kind,target,name\ntls,a.example:25,a\n").await;
    assert!(why(&report, "a").contains("was tcp at the last import and is tls now"));
}

#[tokio::test]
async fn credentials_are_sealed_and_stay_in_the_eu_unless_told_otherwise() {
    let house = House::new().await;
    let report = house.import(TABLE).await;
    let shop = house.monitor("Shop").await;
    assert_eq!((shop.settings.eu_only, shop.settings.regions.as_slice()), (true, &house.regions[..1]));
    assert_eq!(house.monitor("Search").await.settings.regions, house.regions);
    let sealed = shop.settings.sealed_secret.unwrap();
    let plain = house.opener().open(Class::MonitorSecret, shop.id.0.as_bytes(), &sealed).unwrap();
    assert!(String::from_utf8_lossy(plain.expose()).contains("canary-1"));
    assert!(!serde_json::to_string(&report).unwrap().contains("canary"));
    let stored = house.number("SELECT count(*) FROM monitors WHERE to_jsonb(monitors)::text LIKE '%canary%'").await;
    assert_eq!((stored, house.number("SELECT count(*) FROM audit WHERE detail::text LIKE '%canary%'").await), (0, 0));
    let abroad =
        Choice { not_eu_only: true, overwrite: true, regions: vec!["us-1".parse().unwrap()], ..Choice::default() };
    house.try_import(Source::Csv, csv(TABLE), &abroad, true).await.unwrap();
    let shop = house.monitor("Shop").await;
    assert_eq!((shop.settings.eu_only, shop.settings.regions.as_slice()), (false, &house.regions[1..]));
}

#[tokio::test]
async fn credentials_that_are_not_in_the_file_stay_as_they_are() {
    let house = House::new().await;
    house.import(TABLE).await;
    let sealed = house.monitor("Shop").await.settings.sealed_secret;
    let json = r#"[{"name": "Shop", "external_key": "k1", "target": "https://shop.example/new", "interval_s": 30,
                    "timeout_ms": 10000, "eu_only": true, "tags": ["web"], "holds_credentials": true}]"#;
    let file = Upload { name: "m.json", bytes: json.as_bytes() };
    let found = import::read(Source::Json, &[file], &Reading::default()).unwrap();
    let report = house.try_import(Source::Json, found, &Choice::default(), true).await.unwrap();
    assert_eq!(outcomes(&report), ["Shop: changed url"]);
    assert!(sealed.is_some());
    assert_eq!(house.monitor("Shop").await.settings.sealed_secret, sealed);
}

#[tokio::test]
async fn a_region_outside_the_eu_is_left_out_for_credentials_and_one_that_is_none_is_refused() {
    let house = House::new().await;
    let both = Choice { regions: vec!["us-1".parse().unwrap(), "eu-1".parse().unwrap()], ..Choice::default() };
    let report = house.try_import(Source::Csv, csv(TABLE), &both, true).await.unwrap();
    assert_eq!(report.monitors[0].lost[0].field, "regions");
    assert_eq!(house.monitor("Shop").await.settings.regions, house.regions[..1]);
    let abroad = "target,name,regions,bearer\nhttps://a.example/,a,us-1,secret\nhttps://b.example/,b,nowhere,\n";
    let report = house.import(abroad).await;
    assert!(why(&report, "a").contains("--not-eu-only") && why(&report, "b").contains("no region nowhere"));
    let nowhere = Choice { regions: vec!["nowhere".parse().unwrap()], ..Choice::default() };
    let error = house.try_import(Source::Csv, csv(TABLE), &nowhere, true).await.unwrap_err();
    assert!(error.contains("there are eu-1, us-1"), "{error}");
    let bad = Choice { tags: vec!["a\nb".to_owned()], ..Choice::default() };
    assert!(house.try_import(Source::Csv, csv(TABLE), &bad, true).await.unwrap_err().contains("cannot be a tag"));
}

#[tokio::test]
async fn an_organization_that_keeps_to_the_eu_imports_nothing_that_runs_elsewhere() {
    let house = House::new().await;
    let table = "target,name,regions,eu_only\nhttps://a.example/,a,\"us-1,eu-1\",no\nhttps://b.example/,b,us-1,no\nhttps://c.example/,c,,\n";
    assert_eq!(outcomes(&house.import(table).await), ["a: taken", "b: taken", "c: taken"]);
    let house = House::new().await;
    sqlx::raw_sql("UPDATE organizations SET eu_only = true")
        .execute(&mut house.database.login("postgres").await)
        .await
        .unwrap();
    let report = house.import(table).await;
    assert_eq!(outcomes(&report), ["a: taken", "b: refused", "c: taken"]);
    assert!(why(&report, "b").contains("this organization keeps to the EU"), "{report:?}");
    assert!(report.monitors[0].lost.iter().any(|lost| lost.why.contains("us-1 lies outside the EU")), "{report:?}");
    for name in ["a", "c"] {
        let row = house.monitor(name).await.settings;
        assert_eq!((row.eu_only, row.regions.as_slice()), (true, &house.regions[..1]), "{name}");
    }
    let abroad = Choice { not_eu_only: true, ..Choice::default() };
    let refused = house.try_import(Source::Csv, csv(table), &abroad, true).await.unwrap_err();
    assert!(refused.contains("leave --not-eu-only out"), "{refused}");
}

#[tokio::test]
async fn two_thousand_monitors_take_one_number_of_the_assignment_clock() {
    let house = House::new().await;
    let kuma = Kuma::new(2, &["--many", "2000"]);
    let report = house.try_import(Source::Kuma, kuma.read(), &Choice::default(), true).await.unwrap();
    assert!(report.counts.taken > 2000, "{:?}", report.counts);
    let taken = i64::try_from(report.counts.taken).unwrap();
    assert_eq!(house.number("SELECT version FROM assignment_clock").await, 2);
    assert_eq!(house.number("SELECT count(*) FROM states WHERE dirty_at IS NOT NULL AND watch").await, taken);
    assert_eq!(house.number("SELECT count(DISTINCT monitor_id) FROM monitor_regions").await, taken);
    assert_eq!(house.number("SELECT count(*) FROM audit WHERE action = 'monitor.import'").await, taken);
    assert_eq!(house.number("SELECT count(*) FROM monitors WHERE muted_at IS NULL").await, 0);
}

#[tokio::test]
async fn two_imports_at_once_make_each_monitor_once() {
    let house = House::new().await;
    let choice = Choice::default();
    let import = || house.try_import(Source::Csv, csv(TABLE), &choice, true);
    let (one, two) = tokio::join!(import(), import());
    let failed = [&one, &two].into_iter().filter(|result| result.is_err()).count();
    assert!(failed <= 1 && house.number("SELECT count(*) FROM monitors").await == 2);
    if let Err(error) = one.and(two) {
        assert!(error.contains("try again"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_longer_in_the_file_is_named_and_stays() {
    let house = House::new().await;
    house.import(TABLE).await;
    let report = house.import("name,target,external_key\nOther,https://o.example/,k3\n").await;
    assert_eq!(report.missing, ["Search", "Shop"]);
    assert_eq!(house.number("SELECT count(*) FROM monitors WHERE deleted_at IS NULL").await, 3);
}

#[tokio::test]
async fn release_is_by_tag_by_monitor_or_of_all_and_each_is_audited_once() {
    let house = House::new().await;
    house.import("target,name,tags\nhttps://a.example/,a,x\nhttps://b.example/,b,\nhttps://c.example/,c,\n").await;
    let (b, database) = (house.monitor("b").await.key, &house.database);
    let mut conn = database.login("postgres").await;
    sqlx::query("UPDATE states SET dirty_at = NULL").execute(&mut conn).await.unwrap();
    let release = async |which: Which| {
        let mut scoped = database.pools.scoped(house.org).await.unwrap();
        let released = imports::release(&mut scoped, &which, NOW).await.unwrap();
        scoped.commit().await.unwrap();
        released.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(release(Which::Tagged("x".to_owned())).await, ["a"]);
    assert_eq!(release(Which::Tagged("x".to_owned())).await, Vec::<String>::new());
    assert_eq!(release(Which::These(vec![b])).await, ["b"]);
    assert_eq!(house.number("SELECT count(*) FROM states WHERE dirty_at IS NOT NULL").await, 2);
    assert_eq!(release(Which::All).await, ["c"]);
    assert_eq!(house.number("SELECT count(*) FROM audit WHERE action = 'monitor.release'").await, 3);
    // A release is no edit: the next import finds everything as it left it.
    let report =
        house.import("target,name,tags\nhttps://a.example/,a,x\nhttps://b.example/,b,\nhttps://c.example/,c,y\n").await;
    assert_eq!(outcomes(&report), ["a: unchanged", "b: unchanged", "c: changed tags"]);
    assert!(house.monitor("c").await.muted_at.is_none());
}

#[tokio::test]
async fn an_import_beyond_a_limit_of_the_organization_writes_nothing_and_names_it() {
    let house = House::new().await;
    let mut conn = house.database.login("postgres").await;
    let limit = |limits: &str| {
        format!(
            "INSERT INTO organization_limits SELECT id, {limits}, NULL, 0 FROM organizations ON CONFLICT (org_id) DO UPDATE SET monitors = excluded.monitors, interval_s = excluded.interval_s, checks_per_minute = excluded.checks_per_minute"
        )
    };
    for (limits, words) in [
        ("1, NULL, NULL", "limit of 1 monitors"),
        ("NULL, 60, NULL", "intervals of 60 s and more"),
        ("NULL, NULL, 1", "limit of 1 checks a minute"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(limit(limits))).execute(&mut conn).await.unwrap();
        for apply in [false, true] {
            let refused = house.try_import(Source::Csv, csv(TABLE), &Choice::default(), apply).await.unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
    assert_eq!(house.number("SELECT count(*) FROM monitors").await, 0);
    sqlx::query(sqlx::AssertSqlSafe(limit("2, 30, 100"))).execute(&mut conn).await.unwrap();
    house.import(TABLE).await;
    assert_eq!(house.number("SELECT count(*) FROM monitors").await, 2);
}
