//! Posture on a running collector: it looks by itself; what somebody takes away in the database is found; a report for others is signed, and
//! one that was changed is told from it without settings or database; a questionnaire is answered by what is found.

use std::fs;
use std::time::Duration;

use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

/// The state of a control, by the command.
fn state(report: &Value, control: &str) -> String {
    let controls = report["controls"].as_array().unwrap();
    let found = controls.iter().find(|found| found["control"] == control).unwrap();
    found["state"].as_str().unwrap().to_owned()
}

#[test]
fn promises_are_looked_at_while_it_runs() {
    let world = World::local();
    let collector = &world.collector;
    let postgres = collector.postgres();
    // It looks at its start, without being asked.
    let rows = wait::until("findings", Duration::from_secs(60), || {
        let rows = postgres.rows("SELECT control, state FROM findings WHERE control IN ('isolation', 'audit-writers')");
        rows.ok().filter(|rows| rows.len() == 2).ok_or(())
    });
    assert!(rows.iter().all(|row| row["state"] == "pass"), "{rows:?}");

    let (_, report) = collector.judged(&["posture"]);
    assert_eq!(state(&report, "database-line"), "pass", "{report:#}");
    assert_eq!(state(&report, "front-door"), "not_measured", "localhost is no door: {report:#}");
    assert_eq!(state(&report, "backup-age"), "not_measured", "{report:#}");
    postgres.run("ALTER TABLE monitors NO FORCE ROW LEVEL SECURITY").unwrap();
    let (code, said, _) = collector.outcome(&["posture"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL  Nobody sees or changes what belongs to another organization"), "{said}");
    assert!(said.contains("      monitors\n"), "the operator is told which table: {said}");
    let row = |language: &str| {
        let table = collector.run(&["posture", "export", "--for", "c5", "--lang", language]);
        table.split("\r\n").find(|row| row.starts_with("OPS-24,")).unwrap().to_owned()
    };
    let english = row("en");
    assert!(english.starts_with("OPS-24,partly,\"measured, tested\",20"), "{english}");
    assert!(english.contains("S42 S43 (not kept): 1 of ") && !english.contains("monitors\n"), "{english}");
    let report = collector.outcome(&["posture", "--signed"]).1;
    assert!(!report.contains("\"detail\"") && !report.contains("monitors\\n"), "{report}");
    postgres.run("ALTER TABLE monitors FORCE ROW LEVEL SECURITY").unwrap();
    assert!(row("de").starts_with("OPS-24,ja,\"gemessen, getestet\",20"), "{}", row("de"));
    let answered = collector.run(&["posture", "export", "--for", "tom", "--format", "json"]);
    let answered: Value = serde_json::from_str(&answered).unwrap();
    let back = answered["answers"].as_array().unwrap().iter().find(|answer| answer["id"] == "32(1)(c)").unwrap();
    assert!(
        back["known"] == serde_json::json!(["tested", "operator"]),
        "nothing was measured without an archive: {back:#}"
    );
    assert_eq!(back["answer"], "not_measured", "without an archive nothing is kept: {back:#}");
    assert_eq!(answered["answers"].as_array().unwrap().len() + 2, 10, "of two nothing is said: {answered:#}");
    let (code, _, error) = collector.outcome(&["posture", "export", "--for", "soc2"]);
    assert!(code == Some(2) && error.contains("name one of c5, iso27001, caiq, tom"), "{error}");
    let rows = postgres.rows("SELECT state FROM findings WHERE control = 'isolation' ORDER BY id").unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["pass", "fail", "pass"], "a row for as long as the same is found");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("posture.json");
    let file = file.to_str().unwrap();
    fs::write(file, &report).unwrap();
    let keys = collector.json(&["audit", "verify"]);
    let key = keys["anchor_keys"][0]["ed25519"].as_str().unwrap();
    let said = collector.run(&["posture", "verify", file, "--key", key]);
    assert!(said.starts_with("Signed by this key, as of 20") && said.contains("fail"), "{said}");
    fs::write(file, report.replacen("fail", "pass", 1)).unwrap();
    let (code, said, _) = collector.outcome(&["posture", "verify", file, "--key", key]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("NOT what was signed"), "{said}");
    fs::write(file, &report).unwrap();
    let (code, said, _) = collector.outcome(&["posture", "verify", file, "--key", &"0".repeat(64)]);
    assert!(code == Some(1) && said.starts_with("NOT what was signed"), "{said}");
    let (_, _, error) = collector.outcome(&["posture", "verify", file, "--key", "0f"]);
    assert!(error.contains("--key: give 64 hexadecimal digits"), "{error}");
}
