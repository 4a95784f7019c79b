//! The instance's probes serve every organization, so only the operator's own adds and revokes them.

use axum::http::StatusCode;

use crate::common::{Browser, PASSWORD, World};

#[tokio::test]
async fn owners_of_other_organizations_see_the_instances_probes_and_cannot_touch_them() {
    let world = World::new().await;
    let mut ada = world.signed_in().await;
    ada.get("/probes/new").await;
    assert_eq!(
        ada.post("/probes/new", &[("region", "eu-9"), ("url", "https://picket.example")]).await.status,
        StatusCode::OK
    );
    let id = world.one("SELECT uuid FROM probes").await;

    world.another_owner("eve@example.org").await;
    let mut eve = Browser::new(&world);
    eve.sign_in("eve@example.org", PASSWORD).await;
    let page = eve.get("/probes").await;
    page.shows("eu-9");
    page.hides("/probes/new");
    page.hides("/revoke");
    let answer = eve.get("/probes/new").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    answer.shows("whoever runs this Picket adds and revokes them");
    for (path, fields) in
        [("/probes/new".to_owned(), vec![("region", "eu-8")]), (format!("/probes/{id}/revoke"), vec![])]
    {
        assert_eq!(eve.post(&path, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(world.one("SELECT count(*) || ' ' || count(revoked_at) FROM probes").await, "1 0");
    assert_eq!(world.one("SELECT count(*) FROM regions WHERE code = 'eu-8'").await, "0");

    ada.get("/probes").await.shows(&format!("/probes/{id}/revoke"));
    assert_eq!(ada.post(&format!("/probes/{id}/revoke"), &[]).await.to(), "/probes?done=revoked");
}
