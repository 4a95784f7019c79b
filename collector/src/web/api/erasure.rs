//! The end of the account of a key's user, and of a key's organization: closed at once, erased after seven days.

use axum::routing::delete;
use serde_json::{Value, json};
use uuid::Uuid;

use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::login::closing::{Closing, Wish};

/// `DELETE /api/v1/account`.
pub const ACCOUNT: Operation =
    Operation::delete("/api/v1/account", Right::AccountWrite, "closeAccount", || delete(close_account))
        .does("Closes the account of the key's user, this key with it; after seven days it is erased. A link in a mail brings it back until then.")
        .body("ClosingAccount")
        .answers(&[(200, Some("Closed"))]);
/// `DELETE /api/v1/organization`.
pub const ORGANIZATION: Operation =
    Operation::delete("/api/v1/organization", Right::MembersWrite, "closeOrganization", || delete(close_organization))
        .does("Closes the organization, for an owner; after seven days it is erased. A link in a mail to each owner brings it back until then.")
        .body("ClosingOrganization")
        .answers(&[(200, Some("Closed"))]);

async fn close_account(call: Call) -> Outcome {
    let holder = &call.caller.holder;
    if holder.service {
        let detail = "the key stands for a service member, which has no account: remove it from its organization";
        return Err(Problem::new(Kind::NotAllowed, detail));
    }
    let named = call.body.get("close_organizations").and_then(Value::as_array).cloned().unwrap_or_default();
    let named: Vec<Uuid> = named.iter().filter_map(Value::as_str).filter_map(|id| id.parse().ok()).collect();
    let confirmed = call.body.get("account").and_then(Value::as_str).unwrap_or_default();
    let wish = Wish { confirmed, organizations: &named };
    let done =
        call.site.porter.close_account(&holder.member, &wish, &call.caller.author(), call.site.clock.now()).await?;
    told(done, "account", &holder.member.email)
}

async fn close_organization(call: Call) -> Outcome {
    let (author, member) = (call.caller.author(), &call.caller.holder.member);
    let confirmed = call.body.get("organization").and_then(Value::as_str).unwrap_or_default();
    let done = call.site.porter.close_organization(member, confirmed, &author, call.site.clock.now()).await?;
    told(done, "organization", &member.org_name)
}

fn told(done: Closing, field: &str, wanted: &str) -> Outcome {
    match done {
        Closing::Done(at) => Ok(Answer::ok(json!({ "erased_at": at.exact() }))),
        Closing::Unconfirmed => {
            let message = format!("must be what is to be closed: {wanted:?}");
            Err(Problem::faults(Kind::InvalidBody, vec![Fault::new(field, message)]))
        }
        Closing::Owned(owned) => {
            let faults = owned.into_iter().map(|place| {
                let message = format!(
                    "{} ({}) has no other owner: make somebody its owner, or name it here to close it too",
                    place.name, place.uuid
                );
                Fault::new("close_organizations", message)
            });
            Err(Problem::faults(Kind::LastOwner, faults.collect()))
        }
        Closing::NotOwner => Err(Problem::new(Kind::NotAllowed, "only an owner closes an organization")),
        Closing::Gone => Err(Problem::not_found()),
    }
}
