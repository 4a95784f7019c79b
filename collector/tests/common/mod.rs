//! A database for one test: `PICKET_TEST_DATABASE` is a URL of a fresh one with every migration, as the worker's role.

use picket_collector::store::Pools;
use sqlx::PgPool;

/// The four pools, or `None` when no database is named.
#[expect(clippy::unwrap_used, reason = "a test that has no database ends here")]
pub(crate) async fn pools() -> Option<Pools> {
    let url = std::env::var("PICKET_TEST_DATABASE").ok()?;
    let pool = async |role: &str| PgPool::connect(&url.replace("picket_worker", role)).await.unwrap();
    Some(Pools {
        app: pool("picket_app").await,
        intake: pool("picket_intake").await,
        worker: pool("picket_worker").await,
        auth: pool("picket_auth").await,
    })
}
