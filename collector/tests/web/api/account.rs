//! Everything about somebody, and about an organization for who owns it, as a file.

use std::collections::BTreeMap;
use std::time::Duration;

use picket_collector::domain::access::Right;
use serde_json::Value;

use super::Program;
use crate::common::World;

/// Every column that is exported by its class, of tables with one of these columns: `table.column`.
async fn exported(world: &World, own: &str, marks: &str) -> Vec<String> {
    let text = world
        .one(&format!(
            "SELECT string_agg(c.relname || '.' || a.attname, ' ' ORDER BY c.relname, a.attname)
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND col_description(c.oid, a.attnum) LIKE '%; export=yes; %'
               AND (c.relname = '{own}' OR EXISTS (SELECT FROM pg_attribute o
                    WHERE o.attrelid = c.oid AND o.attname = ANY('{marks}'::text[])))"
        ))
        .await;
    text.split(' ').map(str::to_owned).collect()
}

/// Each table with how many rows its part of the manifest says, where the document has as many.
#[track_caller]
fn counted(document: &Value, part: &str) -> BTreeMap<String, usize> {
    let tables = document["manifest"]["tables"].as_array().unwrap();
    let of_part = tables.iter().filter(|table| table["part"] == part);
    let counted = of_part.map(|table| {
        let name = table["table"].as_str().unwrap();
        let rows = document[part][name].as_array().unwrap().len();
        assert_eq!(table["rows"], rows, "{part} {name}");
        (name.to_owned(), rows)
    });
    counted.collect()
}

#[tokio::test]
async fn every_column_that_is_exported_can_be_read_by_whoever_exports_it() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    let reply = program.get("/account/export").await;
    let left_out: Vec<String> =
        reply.at("/manifest/left_out").as_array().unwrap().iter().map(Value::to_string).collect();
    let header = async |part: &str, table: &str| {
        let path = format!("/account/export?format=csv&part={part}&table={table}");
        let answer = program.get(&path).await.answer;
        answer.text.lines().next().unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    for (part, own, marks) in [("account", "users", "{user_id,email}"), ("organization", "organizations", "{org_id}")] {
        let tables = counted(&reply.json, part);
        let columns = exported(&world, own, marks).await;
        assert!(columns.len() > 20, "{part}: only {}", columns.len());
        let mut headers = BTreeMap::new();
        for table in tables.keys() {
            world.clock.advance(Duration::from_secs(60));
            headers.insert(table.clone(), header(part, table).await);
        }
        for column in columns {
            let (table, column) = column.split_once('.').unwrap();
            let names = headers.get(table).unwrap_or_else(|| panic!("{part} has no {table}"));
            // What names a row elsewhere stands for its number.
            let named = column.strip_suffix("_id").unwrap_or(column);
            assert!(
                names.iter().any(|name| name == column || name == named),
                "{part} {table} has no {column}: {names:?}"
            );
        }
    }
    assert!(left_out.iter().any(|column| column.contains("password_hash")), "{left_out:?}");
    assert!(left_out.iter().any(|column| column.contains("recovery_codes")), "a table of which nothing is exported");
}

#[tokio::test]
async fn who_owns_the_organization_gets_all_of_it_and_nobody_gets_anothers() {
    let world = World::new().await;
    let owner = Program::of(&world, "owner").await;
    let body = serde_json::json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 443 } });
    assert_eq!(owner.post("/monitors", body).await.status, 201);
    let body = serde_json::json!({ "name": "other", "spec": { "kind": "tcp", "host": "other.example", "port": 443 } });
    assert_eq!(owner.post("/monitors", body).await.status, 201);
    let day = world.clock.now().micros() / 86_400_000_000;
    let now = world.clock.now().micros();
    // More than are read at a time, several at one moment.
    world
        .sql(&format!(
            "SELECT ensure_partition('results', {day}); SELECT ensure_partition('results', {day} - 1);
             INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at)
                 VALUES (gen_random_uuid(), 1, 'p', '\\xc0ffee', 0);
             INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status,
                                  self_check, late_us, total_us)
                 SELECT 1, m.id, 1, 1, {now} - n / 3 * 1000000::bigint, {now}, 1, 's', 'u', 'g', 0, n
                 FROM monitors m, generate_series(1, 2500) n;
             INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'stranger', 0);
             INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), 'stranger@example.org', 'x', 0, 0);
             INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, version,
                                   assigned_at_version, created_at, updated_at)
                 SELECT gen_random_uuid(), id, 'stranger', kind, 'stranger.example', spec, 60, 1000, 1, 1, 0, 0
                 FROM organizations, (SELECT kind, spec FROM monitors LIMIT 1) m WHERE name = 'stranger';
             INSERT INTO audit (org_id, at, actor, action, subject, detail)
                 SELECT id, 0, 'user:stranger@example.org', 'stranger.did', '', '{{}}' FROM organizations WHERE name = 'stranger'"
        ))
        .await;
    let reply = owner.get("/account/export").await;
    let rows = counted(&reply.json, "organization");
    assert_eq!((rows["results"], rows["monitors"], rows["organizations"]), (5000, 2, 1));
    let took = reply.at("/organization/results").as_array().unwrap().iter();
    let monitors: Vec<&str> = reply
        .at("/organization/monitors")
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["uuid"].as_str().unwrap())
        .collect();
    let mut took: Vec<(&str, u64)> =
        took.map(|row| (row["monitor"].as_str().unwrap(), row["total_us"].as_u64().unwrap())).collect();
    took.sort_unstable();
    took.dedup();
    assert_eq!(took.len(), 5000, "each once");
    assert!(took.iter().all(|(monitor, _)| monitors.contains(monitor)));
    let first = &reply.at("/organization/results/0/at").as_str().unwrap();
    assert!(first.starts_with("2026-09-2") && first.ends_with('Z'), "{first}");
    assert_eq!(reply.text("/organization/results/0/region"), "eu-1");
    assert_eq!(reply.text("/organization/memberships/0/user"), "owner@example.org");
    assert_eq!(reply.text("/account/users/0/email"), "owner@example.org");
    assert_eq!(reply.text("/account/memberships/0/organization"), "acme");
    assert!(!reply.answer.text.contains("stranger"), "of another organization");
    for secret in ["$argon2", "c0ffee"] {
        assert!(!reply.answer.text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn who_does_not_own_it_or_may_not_read_all_of_it_gets_what_is_about_oneself() {
    let world = World::new().await;
    let owner = Program::of(&world, "owner").await;
    let body = serde_json::json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 443 } });
    assert_eq!(owner.post("/monitors", body).await.status, 201);
    assert_eq!(owner.get("/account/export").await.status, 200);
    // A key that may not read all of it does not get it by this way.
    let narrow = Program { world: &world, key: world.key("owner", &[Right::AccountRead, Right::AuditRead], &[]).await };
    let reply = narrow.get("/account/export").await;
    assert_eq!((reply.at("/organization"), reply.text("/account/users/0/email")), (&Value::Null, "owner@example.org"));
    assert!(reply.text("/manifest/without_organization").contains("every scope that reads"), "{}", reply.json);
    // Who does not own it gets what is about oneself.
    let viewer = Program::of(&world, "viewer").await;
    let reply = viewer.get("/account/export").await;
    assert_eq!((reply.at("/organization"), reply.text("/account/users/0/email")), (&Value::Null, "viewer@example.org"));
    for strange in ["shop", "owner@example.org"] {
        assert!(!reply.answer.text.contains(strange), "{strange}");
    }
    // What somebody did stays the own; to what it was done stays the organization's, whoever left it.
    world.sql("UPDATE memberships SET role = 'viewer' WHERE role = 'owner'").await;
    let reply = owner.get("/account/export").await;
    let did: Vec<&str> =
        reply.at("/account/audit").as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(did.contains(&"monitor.add"), "{did:?}");
    assert!(!reply.answer.text.contains("shop"), "{}", reply.answer.text);
    let told = world
        .one("SELECT string_agg(actor || ' ' || detail, E'\n' ORDER BY id) FROM audit WHERE action = 'account.export'")
        .await;
    assert!(
        told.contains("user:owner@example.org {\"parts\":[\"account\",\"organization\"],\"table\":null}"),
        "{told}"
    );
    assert!(told.contains("user:viewer@example.org {\"parts\":[\"account\"],\"table\":null}"), "{told}");
}

#[tokio::test]
async fn a_service_member_that_is_called_like_an_address_gets_nothing_that_is_kept_by_it() {
    let world = World::new().await;
    let owner = Program::of(&world, "owner").await;
    for invited in ["victim@example.org", "owner@example.org"] {
        world
            .sql(&format!(
                "INSERT INTO invitations (uuid, org_id, email, role, token_hash, invited_by, created_at, expires_at)
                 SELECT gen_random_uuid(), 2, '{invited}', 'viewer', sha256('{invited}'), id, 0, 9e15 FROM users LIMIT 1"
            ))
            .await;
    }
    let rows = |reply: &super::Reply| reply.at("/account/invitations").as_array().unwrap().len();
    let reply = owner.get("/account/export").await;
    assert_eq!(rows(&reply), 1, "what is kept by an address is whose address it is: {}", reply.json);
    let made = owner.post("/members", serde_json::json!({ "name": "victim@example.org", "role": "viewer" })).await;
    let keys = format!("/members/{}/keys", made.text("/id"));
    let key = owner.post(&keys, serde_json::json!({ "name": "k", "scopes": ["account:read"] })).await;
    let service = Program { world: &world, key: key.text("/key").to_owned() };
    let reply = service.get("/account/export").await;
    assert_eq!((reply.status, reply.at("/address")), (200, &Value::Null));
    assert_eq!(reply.text("/account/users/0/service_name"), "victim@example.org");
    assert_eq!(rows(&reply), 0, "{}", reply.json);
}

#[tokio::test]
async fn where_somebody_is_signed_in_is_listed_and_ended() {
    let world = World::new().await;
    let program = Program::of(&world, "viewer").await;
    world.member("editor").await;
    world
        .sql(
            "INSERT INTO sessions (uuid, token_hash, user_id, created_at, seen_at, expires_at)
             SELECT gen_random_uuid(), sha256(n::text::bytea), u.id, 0, 8e15, 9e15 FROM users u, generate_series(1, 2) n
             WHERE u.email = 'viewer@example.org'",
        )
        .await;
    let list = program.get("/account/sessions").await;
    let ids: Vec<&str> = list.at("/items").as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{}", list.json);
    assert_eq!(program.delete(&format!("/account/sessions/{}", ids[0])).await.status, 204);
    assert_eq!(program.delete(&format!("/account/sessions/{}", ids[0])).await.status, 404, "it is over");
    let left = program.get("/account/sessions").await;
    assert_eq!(left.at("/items").as_array().unwrap().len(), ids.len() - 1);
    assert_eq!(program.delete("/account/sessions").await.status, 204);
    assert_eq!(program.get("/account/sessions").await.at("/items"), &serde_json::json!([]));
    let others =
        "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'editor@example.org'";
    assert_eq!(world.one(others).await, "1", "only the own ones");
    let told =
        "SELECT string_agg(action || ' ' || detail, ' ' ORDER BY id) FROM audit WHERE actor LIKE 'key:% user:viewer%'";
    let ended = format!(r#"user.end_sessions {{"sessions":1}} user.end_sessions {{"sessions":{}}}"#, ids.len() - 1);
    assert_eq!(world.one(told).await, ended);
}

#[tokio::test]
async fn a_table_is_given_as_csv_without_formulas() {
    let world = World::new().await;
    let owner = Program::of(&world, "owner").await;
    let body = serde_json::json!({ "name": "=HYPERLINK(\"x\"), shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 443 } });
    assert_eq!(owner.post("/monitors", body).await.status, 201);
    let reply = owner.get("/account/export?format=csv&part=organization&table=monitors").await;
    assert_eq!(reply.answer.header("content-disposition"), "attachment; filename=\"picket-organization-monitors.csv\"");
    let lines: Vec<&str> = reply.answer.text.split("\r\n").collect();
    assert!(lines[0].starts_with("uuid,name,kind,target,spec,"), "{}", lines[0]);
    assert!(lines[1].contains(",\"'=HYPERLINK(\"\"x\"\"), shop\",tcp,"), "{}", lines[1]);
    assert_eq!((lines.len(), lines[2]), (3, ""));
    let bad = owner.get("/account/export?format=csv&part=organization&table=pg_authid").await;
    assert_eq!(bad.problem(), (400, "invalid-query", vec!["table"]));
    assert!(bad.text("/errors/0/message").contains("monitors, "), "{}", bad.json);
    assert_eq!(owner.get("/account/export?table=monitors").await.problem(), (400, "invalid-query", vec!["table"]));
    let viewer = Program::of(&world, "viewer").await;
    let bad = viewer.get("/account/export?format=csv&part=organization&table=monitors").await;
    assert_eq!(bad.problem(), (400, "invalid-query", vec!["part"]));
}
