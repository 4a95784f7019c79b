//! Whether promises are kept: for whom the page is there, and what it says.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::config::{Config, Posture, TrustPage};
use picket_collector::domain::posture::Finding;
use picket_collector::store::posture::note;

use crate::common::{Answer, Browser, SetUp, World};

async fn seen(world: &World) {
    let at = world.clock.now();
    let mut worker = world.pools().worker().await.unwrap();
    for (control, finding) in [
        ("isolation", Finding::fail("1 of 30 tables are without forced row security").with("monitors")),
        ("sessions", Finding::pass("nobody is signed in")),
        ("of-another-version", Finding::pass("what this one does not know")),
    ] {
        note(&mut worker, control, &finding, at).await.unwrap();
    }
    worker.commit().await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    let mut worker = world.pools().worker().await.unwrap();
    note(&mut worker, "isolation", &Finding::pass("<b>30</b> tables"), world.clock.now()).await.unwrap();
    worker.commit().await.unwrap();
}

fn trusting(page: TrustPage) -> Config {
    Config { posture: Posture { page }, ..Config::default() }
}

async fn open(world: &World, path: &str) -> Answer {
    Browser::new(world).get(path).await
}

#[tokio::test]
async fn members_see_what_was_found_and_what_was_before_without_what_is_the_operators() {
    let world = World::new().await;
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/posture").await.shows("Nothing was looked at yet");
    seen(&world).await;
    let page = viewer.get("/posture").await;
    for shown in
        ["Kept", "&#60;b&#62;30&#60;/b&#62; tables", "1 of 30 tables are without", "nobody is signed in", "Before"]
    {
        page.shows(shown);
    }
    for hidden in ["monitors</", "of-another-version", "what this one does not know"] {
        page.hides(hidden);
    }
    // What nobody has looked at for hours is not taken for kept.
    world.clock.advance(Duration::from_secs(3 * 3600));
    let page = Browser::of(&world, "viewer").await.get("/posture").await;
    page.shows("nobody has looked since");
    page.hides("nobody is signed in");
}

#[tokio::test]
async fn each_setting_lets_in_whom_it_names() {
    for (trust, members, everybody, linked) in [
        (TrustPage::Off, 404, 404, 404),
        (TrustPage::Members, 200, 404, 404),
        (TrustPage::Link, 200, 404, 200),
        (TrustPage::Public, 200, 200, 200),
    ] {
        let world = World::of(SetUp { config: trusting(trust), ..SetUp::default() }).await;
        let link = world.sealer.trust_link(world.clock.now() + Duration::from_secs(60)).unwrap();
        let path = format!("/trust/{}", link.expose());
        let status = |answer: Answer| answer.status.as_u16();
        assert_eq!(status(Browser::of(&world, "viewer").await.get("/posture").await), members, "{trust:?}");
        assert_eq!(status(open(&world, "/trust").await), everybody, "{trust:?}");
        assert_eq!(status(open(&world, &path).await), linked, "{trust:?}");
        let nowhere = open(&world, "/trust/AAAA").await;
        assert_eq!(nowhere.status, StatusCode::NOT_FOUND, "{trust:?}");
        assert_eq!(nowhere.text, open(&world, "/nowhere").await.text, "{trust:?}");
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(open(&world, &path).await.status, StatusCode::NOT_FOUND, "it ended: {trust:?}");
    }
}

#[tokio::test]
async fn a_questionnaire_is_answered_as_a_file() {
    let world = World::new().await;
    seen(&world).await;
    let mut viewer = Browser::of(&world, "viewer").await;
    let page = viewer.get("/posture").await;
    page.shows("<form class=\"filters\" method=\"get\" action=\"/posture/export\">");
    page.shows("<option value=\"iso27001\">ISO/IEC 27001:2022 Annex A</option>");
    let file = viewer.get("/posture/export?for=c5&lang=de&format=csv").await;
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"picket-c5.csv\"");
    assert!(file.text.starts_with("\u{feff}Kennung,Antwort,bekannt durch,Stand,Aussage,Nachweis,was offen bleibt\r\n"));
    let row = file.text.split("\r\n").find(|row| row.starts_with("OPS-24,")).unwrap();
    assert!(row.starts_with("OPS-24,ja,\"gemessen, getestet\",2026-"), "{row}");
    assert!(row.contains("isolation, 2026-") && row.contains("<b>30</b> tables"), "what was found last: {row}");
    assert!(file.text.contains("\r\nOIS-02,unbeantwortet,"), "{}", file.text);
    file.hides("monitors</");
    let file = viewer.get("/posture/export?for=tom&format=md").await;
    file.shows("## Art. 32(1)(b): confidentiality: partly");
    let file = viewer.get("/posture/export?for=caiq&format=json").await;
    assert_eq!(file.header("content-type"), "application/json");
    for wrong in ["", "?for=soc2", "?for=c5&lang=fr", "?for=c5&format=xls"] {
        let answer = viewer.get(&format!("/posture/export{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        answer.shows("Name whose questions");
    }
    // What nobody has looked at for hours is no yes.
    world.clock.advance(Duration::from_secs(3 * 3600));
    let file = Browser::of(&world, "viewer").await.get("/posture/export?for=c5").await;
    let row = file.text.split("\r\n").find(|row| row.starts_with("OPS-24,")).unwrap();
    assert!(row.starts_with("OPS-24,partly,tested,,") && row.contains("nobody has looked since"), "{row}");
}

#[tokio::test]
async fn questionnaires_are_for_members_where_the_page_is() {
    for (trust, expected) in [(TrustPage::Off, 404), (TrustPage::Members, 200), (TrustPage::Public, 200)] {
        let world = World::of(SetUp { config: trusting(trust), ..SetUp::default() }).await;
        let answer = Browser::of(&world, "viewer").await.get("/posture/export?for=c5").await;
        assert_eq!(answer.status.as_u16(), expected, "{trust:?}");
        assert_eq!(open(&world, "/posture/export?for=c5").await.status, StatusCode::SEE_OTHER, "{trust:?}");
        if trust == TrustPage::Public {
            open(&world, "/trust").await.hides("/posture/export");
        }
    }
}
