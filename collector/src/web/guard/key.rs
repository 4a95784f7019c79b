//! Which program asks: by its API key, in the `Authorization` header and nowhere else. Found before the handler runs.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use picket_shared::secret::SecretString;

use super::client::ClientAddress;
use super::quota::{Class, Subject};
use crate::login::api_key::Refusal;
use crate::web::Site;
use crate::web::api::Operation;
use crate::web::api::problem::{Kind, Problem};
use crate::web::extract::key::Program;

/// Lets a request through with its [`Program`], if scopes and role include what the operation needs.
pub async fn require(
    State((site, operation, class)): State<(Site, &'static Operation, Class)>,
    mut request: Request,
    next: Next,
) -> Response {
    // A browser that was led here shows nothing.
    if request.headers().get("sec-fetch-dest").is_some_and(|dest| dest == "document") {
        return Problem::new(Kind::Navigation, "this is for programs: give an API key in a header").into_response();
    }
    let from = request.extensions().get::<ClientAddress>().copied();
    let key = bearer(request.headers()).map(|key| SecretString::new(key.to_owned()));
    let caller = match admit(&site, key, from).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let room = site.quotas.take(Subject::Key(caller.holder.key.clone()), class, site.clock.now());
    let mut answered = match (room.refusal(request.uri(), request.headers()), check(&caller, operation)) {
        (Some(refused), _) => refused,
        (None, Err(problem)) => {
            if problem.is_of_rights() {
                let route = format!("{} {}", request.method(), operation.path);
                site.porter.note_refusal(&caller.author(), &route, operation.right, site.clock.now()).await;
            }
            problem.into_response()
        }
        (None, Ok(())) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(operation);
            next.run(request).await
        }
    };
    room.tell(&mut answered);
    answered
}

async fn admit(site: &Site, key: Option<SecretString>, from: Option<ClientAddress>) -> Result<Program, Problem> {
    let bad = |detail: &str| Problem::new(Kind::InvalidKey, detail);
    let Some(key) = key else {
        return Err(bad("give an API key: `Authorization: Bearer pkt_live_…`"));
    };
    // Who has no address, has none of the addresses of a key.
    let nobody = std::net::IpAddr::from([0, 0, 0, 0]);
    let address = from.map(|address| address.0);
    let from = address.unwrap_or(nobody);
    match site.porter.admit(key.expose(), from, site.clock.now()).await? {
        Ok(holder) => Ok(Program { holder, address }),
        Err(Refusal::Malformed) => Err(bad("this is no API key: it is incomplete or mistyped")),
        Err(Refusal::Unknown | Refusal::Expired) => {
            Err(bad("this key does not work (any more): it ended, was revoked, or its user has left"))
        }
        Err(Refusal::Elsewhere) => Err(Problem::new(
            Kind::WrongAddress,
            format!("this key does not work from {from}: call from one of its networks, or make another key"),
        )),
    }
}

/// The key of a request that has exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (scheme, key) = only.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn check(caller: &Program, operation: &Operation) -> Result<(), Problem> {
    let right = operation.right;
    if !caller.holder.scopes.contains(&right) {
        return Err(Problem::scope(right));
    }
    if caller.holder.member.lacks_factor {
        let detail = "this organization wants a second factor of its members: the key's user has to set one up";
        return Err(Problem::new(Kind::SecondFactorRequired, detail));
    }
    if !caller.holder.may(right) {
        let role = caller.holder.member.role;
        let detail = format!("the key has the scope {right}, but its user is {role} here, which does not include it");
        return Err(Problem::new(Kind::MissingRight, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_exactly_one_header_of_the_right_scheme() {
        let read = |values: &[&str]| {
            let headers: HeaderMap =
                values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect();
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer abc"]), Some("abc".to_owned()));
        assert_eq!(read(&["bearer  abc"]), Some("abc".to_owned()));
        for bad in [&["abc"][..], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer b"], &[]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
