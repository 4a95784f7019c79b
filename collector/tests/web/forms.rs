//! Monitors made, changed, paused, deleted and brought back in a browser; never those of others.

use axum::http::StatusCode;

use crate::common::{Browser, World};

/// Adds a monitor for this URL and gives its path.
async fn add(browser: &mut Browser<'_>, url: &str) -> String {
    browser.get("/monitors/new").await;
    let answer = browser.post("/monitors/new", &[("kind", "http"), ("target", url)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.to().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_url_alone_makes_a_monitor_in_every_region() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/").await.shows("Nothing is watched yet");
    browser.get("/monitors/new?target=example.org").await.shows("value=\"example.org\"");
    let path = add(&mut browser, "example.org").await;
    let page = browser.get(&format!("{path}?done=added")).await;
    page.shows("https://example.org/");
    page.shows("The monitor is added");
    browser.get("/").await.shows("https://example.org/");
    assert_eq!(world.one("SELECT count(*) FROM monitor_regions").await, "2");
    assert_eq!(world.one("SELECT actor FROM audit WHERE action = 'monitor.add'").await, "user:ada@example.org");
}

#[tokio::test]
async fn each_field_says_what_is_wrong_with_it_and_keeps_what_was_typed() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/monitors/new").await;
    let fields = [
        ("kind", "http"),
        ("target", "ftp://example.org/<script>"),
        ("every", "1s"),
        ("timeout", "10h"),
        ("headers", "nonsense"),
        ("auth", "bearer"),
        ("secret", ""),
    ];
    let answer = browser.post("/monitors/new", &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for what in ["whole seconds from 5s to 24h", "less than the time from check", "is no header", "Give the token."] {
        answer.shows(what);
    }
    answer.shows("ftp://example.org/&#60;script&#62;");
    answer.hides("<script>alert");
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "0");
    let answer = browser.post("/monitors/new", &[("kind", "http"), ("target", "ftp://example.org/")]).await;
    answer.shows("cannot be checked: use http or https");
}

#[tokio::test]
async fn credentials_are_sealed_kept_and_never_shown() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/monitors/new").await;
    let fields =
        [("kind", "http"), ("target", "example.org"), ("auth", "basic"), ("user", "bot"), ("secret", "canary-7f3a")];
    let path = browser.post("/monitors/new", &fields).await.to().split('?').next().unwrap().to_owned();
    assert_eq!(world.one("SELECT eu_only FROM monitors").await, "true", "credentials stay in the EU");
    assert_eq!(world.one("SELECT count(*) FROM monitor_regions").await, "1");
    assert_eq!(world.one("SELECT position('canary'::bytea in sealed_secret) FROM monitors").await, "0");
    for page in [path.clone(), format!("{path}/edit")] {
        browser.get(&page).await.hides("canary-7f3a");
    }
    let sealed = world.one("SELECT sealed_secret FROM monitors").await;
    let kept = [("target", "https://example.org/x"), ("auth", "keep"), ("eu_only", "yes")];
    assert_eq!(browser.post(&format!("{path}/edit"), &kept).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.one("SELECT sealed_secret FROM monitors").await, sealed);
    for (target, more) in [
        ("https://evil.example/", None),
        ("http://example.org/x", None),
        ("https://example.org:444/", None),
        ("https://example.org/x", Some(("verify_off", "yes"))),
    ] {
        let elsewhere: Vec<_> =
            [("target", target), ("auth", "keep"), ("eu_only", "yes")].into_iter().chain(more).collect();
        let answer = browser.post(&format!("{path}/edit"), &elsewhere).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{target} {more:?}");
        answer.shows("go nowhere but where they were given for");
    }
    assert_eq!(world.one("SELECT target FROM monitors").await, "https://example.org/x");
    let dropped = [("target", "https://example.org/x"), ("auth", "none")];
    browser.post(&format!("{path}/edit"), &dropped).await;
    assert_eq!(world.one("SELECT sealed_secret IS NULL FROM monitors").await, "true");
}

#[tokio::test]
async fn a_deletion_can_be_undone_for_an_hour() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let path = add(&mut browser, "example.org").await;
    let answer = browser.post(&format!("{path}/delete"), &[]).await;
    let list = browser.get(answer.to()).await;
    list.shows("https://example.org/ is deleted.");
    list.shows(&format!("{path}/restore"));
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    let answer = browser.post(&format!("{path}/restore"), &[]).await;
    assert_eq!(answer.to(), format!("{path}?done=restored"));
    browser.get(&path).await.shows("https://example.org/");

    browser.post(&format!("{path}/delete"), &[]).await;
    let taken = add(&mut browser, "example.org").await;
    assert_eq!(browser.post(&format!("{path}/restore"), &[]).await.status, StatusCode::CONFLICT);
    browser.post(&format!("{taken}/delete"), &[]).await;
    world.clock.advance(std::time::Duration::from_secs(3_601));
    assert_eq!(browser.post(&format!("{path}/restore"), &[]).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn pausing_and_resuming_say_what_they_did() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let path = add(&mut browser, "example.org").await;
    let answer = browser.post(&format!("{path}/pause"), &[]).await;
    let page = browser.get(answer.to()).await;
    page.shows("The monitor is paused");
    page.shows(&format!("{path}/resume"));
    browser.get("/?state=paused").await.shows("https://example.org/");
    browser.get("/?state=up").await.shows("No monitor is like that.");
    browser.post(&format!("{path}/resume"), &[]).await;
    browser.get("/?state=paused").await.hides("https://example.org/");
}

#[tokio::test]
async fn what_belongs_to_another_organization_is_not_there() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    add(&mut browser, "example.org").await;
    let theirs = "01900000-0000-7000-8000-000000000001";
    world
        .sql(&format!(
            "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
             VALUES ('{theirs}', 2, 'theirs', 'tcp', 'secret.example:1', '{{\"kind\":\"tcp\",\"host\":\"secret.example\",\"port\":1}}', 60, 1000, 1, 0, 0)"
        ))
        .await;
    world.sql("INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT 2, id, 'up', 0, '{}', false FROM monitors WHERE org_id = 2").await;
    browser.get("/?q=theirs").await.hides("secret.example");
    let missing = "01900000-0000-7000-8000-0000000000ff";
    for (method, tail) in [
        ("GET", ""),
        ("GET", "/edit"),
        ("GET", "/series?from=1&to=2"),
        ("POST", "/edit"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/delete"),
    ] {
        let path = |id: &str| format!("/monitors/{id}{tail}");
        let (foreign, miss) = if method == "GET" {
            (browser.get(&path(theirs)).await, browser.get(&path(missing)).await)
        } else {
            (browser.post(&path(theirs), &[]).await, browser.post(&path(missing), &[]).await)
        };
        assert_eq!((foreign.status, miss.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{method} {tail}");
        assert_eq!(foreign.text, miss.text, "{method} {tail}");
    }
    assert_eq!(
        world.one("SELECT paused_at IS NULL AND deleted_at IS NULL FROM monitors WHERE org_id = 2").await,
        "true"
    );
}

#[tokio::test]
async fn the_link_of_a_message_leads_to_the_incident_and_to_nobody_elses() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    let monitors: [&str; 2] = ["01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"];
    for (org, monitor) in (1..).zip(monitors) {
        let incident = format!("01900000-0000-7000-8000-00000000001{org}");
        world
            .sql(&format!(
                "WITH m AS (
                    INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                    VALUES ('{monitor}', {org}, 'm', 'tcp', 'x.example:1', '{{\"kind\":\"tcp\",\"host\":\"x.example\",\"port\":1}}', 60, 1000, 1, 0, 0)
                    RETURNING org_id, id
                 ), s AS (INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT org_id, id, 'down', 0, '{{}}', false FROM m)
                 INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT '{incident}', org_id, id, 1000000, 2000000, 'http_status', 'the status is <503>', '{{}}' FROM m"
            ))
            .await;
    }
    let answer = browser.get("/incidents/01900000-0000-7000-8000-000000000011").await;
    answer.shows("the status is &#60;503&#62;");
    answer.shows(&format!("href=\"/monitors/{}\"", monitors[0]));
    let monitor = browser.get(&format!("/monitors/{}", monitors[0])).await;
    monitor.shows("href=\"/incidents/01900000-0000-7000-8000-000000000011\"");
    let theirs = browser.get("/incidents/01900000-0000-7000-8000-000000000012").await;
    let missing = browser.get("/incidents/01900000-0000-7000-8000-0000000000ff").await;
    let nonsense = browser.get("/incidents/nonsense").await;
    for answer in [&theirs, &missing, &nonsense] {
        assert_eq!((answer.status, &answer.text), (StatusCode::NOT_FOUND, &missing.text));
    }
}

#[tokio::test]
async fn the_list_is_searched_filtered_sorted_and_turned() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world
        .sql(
            "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, tags, assigned_at_version, created_at, updated_at)
             SELECT gen_random_uuid(), 1, 'm' || lpad(n::text, 3, '0'), CASE n % 2 WHEN 0 THEN 'tcp' ELSE 'dns' END, 't' || n, '{\"kind\":\"tcp\",\"host\":\"x\",\"port\":1}',
                    60, 1000, CASE WHEN n < 3 THEN '{few}'::text[] ELSE '{}' END, 1, 0, 0 FROM generate_series(0, 119) n",
        )
        .await;
    world.sql("INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT 1, id, CASE WHEN name = 'm117' THEN 'down' ELSE 'up' END, id, '{}', false FROM monitors").await;
    let names = |text: &str| -> Vec<String> {
        text.split("<span class=\"what\">")
            .skip(1)
            .map(|rest| rest.split("\">").nth(1).unwrap().split('<').next().unwrap().to_owned())
            .collect()
    };
    let next_of = |text: &str| {
        let before = text.split("rel=\"next\"").next().unwrap();
        before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&")
    };
    let page = browser.get("/").await;
    assert_eq!((names(&page.text).len(), names(&page.text)[0].as_str()), (50, "m117"), "what is down comes first");
    page.shows("<b>120</b>");
    let mut seen = names(&page.text);
    let mut next = next_of(&page.text);
    for _ in 0..2 {
        let page = browser.get(&next).await;
        seen.extend(names(&page.text));
        next = next_of(&page.text);
    }
    assert_eq!(seen.len(), 120);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120, "no monitor twice, none left out");
    assert_eq!(names(&browser.get("/?q=M11").await.text).len(), 10);
    assert_eq!(names(&browser.get("/?q=%25").await.text).len(), 0, "a percent sign is no pattern");
    assert_eq!(names(&browser.get("/?tag=few&kind=dns").await.text), ["m001"]);
    assert_eq!(names(&browser.get("/?sort=name").await.text)[0], "m000");
    assert_eq!(names(&browser.get("/?sort=since").await.text)[0], "m119");
    let answer = browser.get("/?q='%3BDROP+TABLE+monitors--%00&state=up%00&rank=0&id=1&name=%00").await;
    assert_eq!((answer.status, names(&answer.text).len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_monitor_has_an_owner_a_runbook_and_a_severity_that_are_checked_and_kept() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/monitors/new").await;
    let with = |owner: &'static str, runbook: &'static str, severity: &'static str| {
        [
            ("kind", "http"),
            ("target", "example.org"),
            ("owner", owner),
            ("runbook_url", runbook),
            ("severity", severity),
        ]
    };
    for runbook in ["wiki", "javascript:alert(1)", "https://me:canary@wiki.example/"] {
        let answer = browser.post("/monitors/new", &with("ops", runbook, "error")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{runbook}");
        answer.shows("without user and password");
    }
    browser.post("/monitors/new", &with("ops", "", "dreadful")).await.shows("Choose how bad it is");
    let fields = with("Team <Shop>", "https://wiki.example/shop?page=down", "error");
    let path = browser.post("/monitors/new", &fields).await.to().split('?').next().unwrap().to_owned();
    let stored = "SELECT severity || ' ' || owner || ' ' || runbook_url FROM monitors";
    assert_eq!(world.one(stored).await, "error Team <Shop> https://wiki.example/shop?page=down");
    let form = browser.get(&format!("{path}/edit")).await;
    form.shows("value=\"Team &#60;Shop&#62;\"");
    form.shows("<option value=\"error\" selected>");
    let edited =
        [("target", "example.org"), ("owner", ""), ("runbook_url", "https://wiki.example/"), ("severity", "warning")];
    assert_eq!(browser.post(&format!("{path}/edit"), &edited).await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        world.one("SELECT severity || coalesce(owner, '-') || runbook_url FROM monitors").await,
        "warning-https://wiki.example/"
    );
    let told = world.one("SELECT detail::text FROM audit WHERE action = 'monitor.edit'").await;
    for part in ["\"severity\":\"error\"", "Team <Shop>", "\"runbook\":\"https://wiki.example\""] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("page=down"), "{told}");
}
