//! What a probe is told to run.

use crate::common::World;
use picket_collector::vault::{Class, KeyRing, Sealer};
use picket_shared::assignment::Assignments;
use picket_shared::check::{CheckSpec, HttpAuth, HttpSpec};
use picket_shared::secret::SecretString;
use picket_shared::wire::ASSIGNMENTS_PATH;
use uuid::Uuid;

#[tokio::test]
async fn a_monitor_whose_key_is_missing_here_is_not_taken_from_its_probe() {
    let world = World::new().await;
    let probe = world.probe().await;
    let asks = async || {
        let token = probe.request_token(&world, "GET", ASSIGNMENTS_PATH, b"", Uuid::new_v4());
        world.send("GET", &format!("{ASSIGNMENTS_PATH}?since=0"), &token, "", b"").await
    };
    let spec = CheckSpec::Http(HttpSpec::get("https://shop.example/login"));
    let plain = serde_json::to_vec(&HttpAuth::Bearer { token: SecretString::new("hunter2".to_owned()) }).unwrap();
    let keeps = async |sealer: &Sealer, context: Uuid| {
        sqlx::query("UPDATE monitors SET spec = $1, sealed_secret = $2")
            .bind(sqlx::types::Json(&spec))
            .bind(sealer.seal(Class::MonitorSecret, context.as_bytes(), &plain).unwrap().0)
            .execute(&world.owner)
            .await
            .unwrap();
    };
    // By a key that another collector of the same database has: whoever asked goes on with what it has.
    keeps(&Sealer::new(&KeyRing::generate().unwrap()), world.monitor.0).await;
    let (status, body) = asks().await;
    assert_eq!(status, 500, "{body}");
    // What nobody can open keeps nothing else from the probe.
    keeps(&world.sealer, Uuid::nil()).await;
    let (status, body) = asks().await;
    assert_eq!((status, serde_json::from_str::<Assignments>(&body).unwrap().monitors), (200, Vec::new()));
    keeps(&world.sealer, world.monitor.0).await;
    let (_, body) = asks().await;
    assert_eq!(serde_json::from_str::<Assignments>(&body).unwrap().monitors.len(), 1);
}
