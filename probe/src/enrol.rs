//! Hello: the enrolment token becomes an identity with day keys. Comes before everything else.

use picket_shared::check::Kind;
use picket_shared::wire::{self, Hello, Welcome};

use crate::link::{Link, LinkError};

/// Says hello once; afterwards the link can sign batches.
///
/// # Errors
/// When the collector cannot be reached, refuses, or is not the one that the token names.
pub async fn hello(link: &Link) -> Result<Welcome, LinkError> {
    // Which of two starts is the later is told by when their hellos were signed, in the collector's time: any answer has it.
    if !link.clock().is_measured() {
        link.ask_time().await?;
    }
    let hello =
        Hello { boot: link.signer().boot(), version: env!("CARGO_PKG_VERSION").to_owned(), kinds: Kind::ALL.to_vec() };
    let welcome: Welcome = link.post(wire::HELLO_PATH, &hello).await?.read()?;
    if welcome.collector != link.signer().collector() {
        return Err(LinkError::Garbled(format!(
            "it comes from collector {}, but the enrolment token is for {}: check `collector_url`",
            welcome.collector,
            link.signer().collector()
        )));
    }
    link.signer().set_keys(welcome.keys.keys.clone());
    Ok(welcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Stop;
    use crate::link::testing::{Reply, TestCollector};
    use picket_shared::wire::RefusalCode;

    #[tokio::test]
    async fn hello_brings_the_region_and_keys_to_sign_with() {
        let collector = TestCollector::start().await;
        let link = collector.link();
        assert!(link.signer().wants_keys(link.clock().signing_time()));
        assert_eq!(hello(&link).await.unwrap().region.as_str(), "eu-1");
        assert!(!link.signer().wants_keys(link.clock().signing_time()));
        let seen = &collector.seen(wire::HELLO_PATH)[0];
        let said: Hello = serde_json::from_slice(&zstd::bulk::decompress(&seen.body, 9999).unwrap()).unwrap();
        assert_eq!((said.boot, said.kinds), (link.signer().boot(), Kind::ALL.to_vec()));
    }

    #[tokio::test]
    async fn a_hello_is_signed_by_the_collectors_time_which_is_asked_for_once() {
        let collector = TestCollector::start().await;
        collector.with(|state| state.ahead_us = -40_000_000);
        let link = collector.link();
        hello(&link).await.unwrap();
        hello(&link).await.unwrap();
        assert_eq!((collector.seen(wire::TIME_PATH).len(), collector.seen(wire::HELLO_PATH).len()), (1, 2));
        let claims: Vec<_> = collector.seen(wire::HELLO_PATH).iter().map(|seen| signed_at(&seen.token)).collect();
        let now = link.clock().signing_time().seconds();
        assert!(claims.iter().all(|iat| (now - iat).abs() <= 2), "{claims:?} at {now}");
        let machine = picket_shared::time::Clock::system().now().seconds();
        assert!((38..=42).contains(&(machine - now)), "{machine} {now}");
    }

    /// `iat` of a token.
    fn signed_at(token: &str) -> i64 {
        use base64::Engine;
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["iat"].as_i64().unwrap()
    }

    #[tokio::test]
    async fn a_revoked_probe_and_a_superseded_boot_are_told_apart() {
        let collector = TestCollector::start().await;
        for (code, stop) in [(RefusalCode::Revoked, Stop::Revoked), (RefusalCode::Superseded, Stop::Superseded)] {
            collector.script(wire::HELLO_PATH, Reply::Refuse(code, None));
            assert!(matches!(hello(&collector.link()).await, Err(LinkError::Stop(found)) if found == stop));
        }
    }
}
