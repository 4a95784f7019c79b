//! Mails about accounts: what a person reads who is asked to follow a link, or told what was done.

use picket_shared::ids::{AccountMailId, DeliveryId};
use picket_shared::time::Timestamp;
use serde_json::Value;

use super::sheet::Sheet;
use super::short::Brief;
use super::words::one_line;
use super::{Back, Message, closure, data, operator, papers};
use crate::domain::account_mail::{About, LinkFacts, Step};

/// What to do about a deed that was not one's own.
const NOT_YOU: &str = "choose another password at once, and look through the sessions on the page Account";
/// What to do about a link that one did not ask for.
const NOT_ASKED: &str = "ignore this mail: without the link nothing happens";
/// What to do about a key of a service member that one did not expect.
const SERVICE_KEY: &str = "the audit log says who did it; whoever manages members can revoke it on the page API keys";

/// What helps somebody who is to stay.
const OTHER_END: &str = "an owner or an administrator gives another end, or none, on the page Members";
/// What helps somebody who is to come back.
const INVITE_AGAIN: &str = "an owner or an administrator invites again, on the page Members";

/// Writes the mail. Links begin with `public_url`.
pub fn write(id: AccountMailId, about: &About, public_url: &str, now: Timestamp) -> Message {
    let sheet = sheet(about, public_url.trim_end_matches('/'));
    Message {
        id: DeliveryId(id.0),
        thread: None,
        at: now,
        subject: one_line(&sheet.subject),
        text: sheet.text(),
        html: sheet.html(),
        event: Value::Null,
        brief: Brief::default(),
        alarms: Vec::new(),
        code: None,
        back: Back::default(),
    }
}

fn sheet(about: &About, url: &str) -> Sheet {
    if let Some((subject, lead, mut rows)) = deed(about) {
        rows.push(("Not you?", NOT_YOU.to_owned()));
        let link = Some(format!("{url}/account"));
        return Sheet { subject: subject.to_owned(), lead: lead.to_owned(), rows, link };
    }
    match about {
        About::HasAccount => Sheet {
            subject: "You have an account at Picket".to_owned(),
            lead: "Somebody wanted to make an account for this address, which has one. Sign in, or have a link sent to you."
                .to_owned(),
            rows: vec![("Not you?", "ignore this mail: nothing was changed".to_owned())],
            link: Some(format!("{url}/sign-in")),
        },
        About::Locked { until } => Sheet {
            subject: "Too many wrong answers at Picket".to_owned(),
            lead: "There were ten wrong answers for your account. Browsers that it does not know are refused for a while."
                .to_owned(),
            rows: vec![
                ("Until", format!("{until:.0}")),
                ("To get in", "use a browser that you have signed in from, or have a link sent to you".to_owned()),
            ],
            link: Some(format!("{url}/sign-in/link")),
        },
        About::KeyAdded { .. } | About::ServiceKeyAdded { .. } => key(about, url),
        About::Membership { at, organization, role } => membership(*at, organization, role.as_deref(), url),
        About::MembershipEnd { organization, member, until, over } => {
            end(organization, member.as_deref(), *until, *over, url)
        }
        About::Management { .. } => management(about, url),
        About::Administrator { at, until, by } => Sheet {
            subject: "You administer this Picket".to_owned(),
            lead: "You may administer the whole instance for a time: its probes, organizations and users.".to_owned(),
            rows: vec![
                ("When", format!("{at:.0}")),
                ("Until", format!("{until:.0}")),
                ("By", by.clone()),
                ("Not you?", "If you did not expect this, tell whoever runs this Picket at once.".to_owned()),
            ],
            link: Some(format!("{url}/admin")),
        },
        About::Invitation { .. } => invitation(about, url),
        About::Closed { .. } | About::Restored { .. } | About::Erased { .. } => closure::sheet(about, url),
        About::Operator { .. } => operator::sheet(about, url),
        About::Agreement { .. } | About::SubProcessors { .. } | About::Breach(_) => papers::sheet(about, url),
        About::ChannelsErased { .. } | About::Export { .. } => data::sheet(about, url),
        About::Recovery { at, account, by } => Sheet {
            subject: "Recovery of an account at Picket".to_owned(),
            lead: format!("The operator made a link by which the user of {account} can choose another password."),
            rows: vec![
                ("When", format!("{at:.0}")),
                ("By", by.clone()),
                ("Why you", "you own an organization of this installation".to_owned()),
            ],
            link: None,
        },
        _ => asking(about, url),
    }
}

/// A key that somebody made, for the own account or for a service member.
fn key(about: &About, url: &str) -> Sheet {
    let link = Some(format!("{url}/keys"));
    match about {
        About::KeyAdded { at, name } => Sheet {
            subject: "New API key at Picket".to_owned(),
            lead: "An API key was made that stands for you: a program that holds it can do what it is good for."
                .to_owned(),
            rows: vec![
                ("When", format!("{at:.0}")),
                ("Key", one_line(name)),
                ("Not you?", "revoke it on the page API keys, and choose another password at once".to_owned()),
            ],
            link,
        },
        About::ServiceKeyAdded { at, name, service, organization } => Sheet {
            subject: "New API key of a service member at Picket".to_owned(),
            lead: "An API key was made that stands for a service member: it stays when whoever made it goes."
                .to_owned(),
            rows: vec![
                ("When", format!("{at:.0}")),
                ("Where", one_line(organization)),
                ("Stands for", one_line(service)),
                ("Key", one_line(name)),
                ("Not you?", SERVICE_KEY.to_owned()),
            ],
            link,
        },
        _ => asking(about, url),
    }
}

/// An invitation into an organization.
fn invitation(about: &About, url: &str) -> Sheet {
    let About::Invitation { link, organization, role, by, member_until } = about else { return asking(about, url) };
    let rows = [
        Some(("Where", one_line(organization))),
        Some(("As", role.clone())),
        member_until.map(|until| ("Member until", format!("{until:.0}"))),
        Some(("Works", format!("once, for this address, until {:.0}", link.until))),
        Some(("Not you?", NOT_ASKED.to_owned())),
    ];
    Sheet {
        subject: format!("Join {} at Picket", one_line(organization)),
        lead: format!("{by} invites you to {organization}, which watches its services with Picket."),
        rows: rows.into_iter().flatten().collect(),
        link: Some(format!("{url}/invitation/{}", link.token.expose())),
    }
}

/// What somebody is in an organization from now on.
fn membership(at: Timestamp, organization: &str, role: Option<&str>, url: &str) -> Sheet {
    let organization = one_line(organization);
    let (subject, lead) = match role {
        Some(role) => (
            format!("You are {role} of {organization} at Picket"),
            format!("What you may do in {organization} was changed. Sign in there anew."),
        ),
        None => (
            format!("You left {organization} at Picket"),
            format!(
                "You do not belong to {organization} any more. What you made there stays; your API keys there are over."
            ),
        ),
    };
    let mut rows = vec![("When", format!("{at:.0}")), ("Where", organization)];
    if let Some(role) = role {
        rows.push(("Role", role.to_owned()));
    }
    rows.push(("Not you?", "ask an owner of the organization; the audit log says who did it".to_owned()));
    Sheet { subject, lead, rows, link: Some(format!("{url}/account")) }
}

/// A membership that ends, or is over: to whose it is, and to an owner.
fn end(organization: &str, member: Option<&str>, until: Timestamp, over: bool, url: &str) -> Sheet {
    let organization = one_line(organization);
    let who = member.map_or_else(|| "You".to_owned(), one_line);
    let (subject, lead) = match (over, member) {
        (false, None) => (
            format!("Your membership of {organization} at Picket ends"),
            "You are out of it then, and your API keys there are over.".to_owned(),
        ),
        (false, Some(_)) => (
            format!("A membership of {organization} at Picket ends"),
            format!("{who} is out of it then, and the API keys of that member there are over."),
        ),
        (true, _) => (
            format!("A membership of {organization} at Picket is over"),
            format!("{who} belonged to it until then. Sessions and API keys there are over; what was made stays."),
        ),
    };
    let rows = vec![
        ("Where", organization),
        ("Who", member.map_or_else(|| "you".to_owned(), one_line)),
        (if over { "Since" } else { "When" }, format!("{until:.0}")),
        ("To change it", if over { INVITE_AGAIN } else { OTHER_END }.to_owned()),
    ];
    Sheet { subject, lead, rows, link: Some(format!("{url}/members")) }
}

/// An organization is managed by another, or no more: told to the owners of both.
fn management(about: &About, url: &str) -> Sheet {
    let About::Management { step, at, managed, managing, most, until, by, managing_side } = about else {
        return asking(about, url);
    };
    let (managed, managing) = (one_line(managed), one_line(managing));
    let over = format!("{managing} does not manage {managed} any more: its members have nothing there from then on.");
    let (subject, lead) = match step {
        Step::Given => (
            format!("{managing} may manage {managed} at Picket"),
            format!("{managed} consents to be managed by {managing}. It works once {managing} accepts it."),
        ),
        Step::Accepted => (
            format!("{managing} manages {managed} at Picket"),
            format!("{managing} accepted. Its members act in {managed} from now on, as {most} at most."),
        ),
        Step::Revoked | Step::Left => (format!("{managing} manages {managed} no more at Picket"), over),
        Step::Ends => (
            format!("{managing} manages {managed} for a few days more at Picket"),
            format!("The consent of {managed} ends by itself. If it is to go on, an owner there gives another then."),
        ),
        Step::Over => {
            (format!("{managing} manages {managed} no more at Picket"), format!("The consent ended by itself. {over}"))
        }
    };
    let rows = [
        Some(("When", format!("{at:.0}"))),
        Some(("Managed", managed)),
        Some(("By", managing)),
        Some(("As", format!("{most} at most"))),
        until.map(|until| ("Until", format!("{until:.0}"))),
        by.as_ref().map(|by| ("Who", one_line(by))),
        Some(("Not you?", "end it on that page at once; the audit log says who did it".to_owned())),
    ];
    let page = if *managing_side { "portfolio" } else { "management" };
    Sheet { subject, lead, rows: rows.into_iter().flatten().collect(), link: Some(format!("{url}/{page}")) }
}

/// Subject, first sentence, and labelled lines.
type Deed = (&'static str, &'static str, Vec<(&'static str, String)>);

/// What was done to an account.
fn deed(about: &About) -> Option<Deed> {
    let when = |at: &Timestamp| ("When", format!("{at:.0}"));
    Some(match about {
        About::NewSignIn { at, from } => (
            "New sign-in to Picket",
            "Somebody signed in to your account from a browser that was not known.",
            vec![when(at), ("From", from.clone())],
        ),
        About::FailedSignIn { at } => (
            "Wrong password or code at Picket",
            "Somebody gave a wrong password or code for your account. You are told so once an hour at most.",
            vec![when(at)],
        ),
        About::PasskeyCopied { at } => (
            "A passkey may have been copied at Picket",
            "A passkey of your account was refused: it counts how often it signs, and that count did not go up. Somebody \
             may have a copy of it. Remove it, and add another.",
            vec![when(at)],
        ),
        About::PasswordChanged { at } => (
            "Your password at Picket was changed",
            "The password of your account was changed, and every browser was signed out.",
            vec![when(at)],
        ),
        About::AddressChanged { at, new } => (
            "Your address at Picket was changed",
            "Your account has another address, as both addresses agreed. Every browser was signed out.",
            vec![when(at), ("Address", new.clone())],
        ),
        About::SecondFactorAdded { at } => (
            "Second factor added at Picket",
            "Signing in with the password asks for a code or a passkey, too. Other browsers were signed out.",
            vec![when(at)],
        ),
        About::SecondFactorRemoved { at } => (
            "Second factor removed at Picket",
            "A passkey or the codes by time were removed from your account. Other browsers were signed out.",
            vec![when(at)],
        ),
        About::RecoveryCodeUsed { at, left } => (
            "Recovery code used at Picket",
            "A recovery code was used in place of your second factor.",
            vec![when(at), ("Left", left.to_string())],
        ),
        About::RecoveryCodesReplaced { at } => (
            "New recovery codes at Picket",
            "There are new recovery codes for your account; the old ones work no more.",
            vec![when(at)],
        ),
        _ => return None,
    })
}

/// Mails that ask to follow a link.
fn asking(about: &About, url: &str) -> Sheet {
    let (subject, lead, here) = match about {
        About::SignInLink(_) => ("Sign in to Picket", "Follow this link to sign in.", true),
        About::ResetLink(_) => {
            ("Choose another password for Picket", "Follow this link to choose another password.", true)
        }
        About::SignUpLink(_) => ("Your account at Picket", "Follow this link to make your account.", true),
        About::ConfirmLink(_) => (
            "Confirm your address for Picket",
            "Follow this link to confirm that mail to this address reaches you.",
            false,
        ),
        About::ChangeFrom { .. } => (
            "Agree to another address for Picket",
            "Somebody who is signed in to your account wants another address for it. Follow this link to agree.",
            false,
        ),
        _ => (
            "Confirm your new address for Picket",
            "Somebody wants this address for an account at Picket. Follow this link to agree.",
            false,
        ),
    };
    let mut rows = Vec::new();
    if let About::ChangeFrom { new, .. } = about {
        rows.push(("Address", new.clone()));
    }
    let link = about.link();
    if let Some(LinkFacts { until, .. }) = link {
        let place = if here { ", in the browser in which it was asked for" } else { "" };
        rows.push(("Works", format!("once, until {until:.0}{place}")));
    }
    let not = match about {
        About::ChangeFrom { .. } => NOT_YOU,
        _ => NOT_ASKED,
    };
    rows.push(("Not you?", not.to_owned()));
    let link = link.map(|link| format!("{url}/link/{}", link.token.expose()));
    Sheet { subject: subject.to_owned(), lead: lead.to_owned(), rows, link }
}

#[cfg(test)]
mod tests {
    use picket_shared::secret::SecretString;

    use super::*;

    fn management(step: Step, managing_side: bool) -> About {
        let (at, new) = (Timestamp::from_seconds(1_790_000_000), "<b>new@example.org".to_owned());
        let (managed, managing, most, by) = (new.clone(), new, "editor".to_owned(), Some("command:root".to_owned()));
        About::Management { step, at, managed, managing, most, until: Some(at), by, managing_side }
    }

    fn closed(link: LinkFacts, name: &str) -> About {
        let (account, organizations) = (name.to_owned(), vec![name.to_owned()]);
        About::Closed { at: link.until, link, account, organization: Some(name.to_owned()), organizations }
    }

    #[test]
    fn a_mail_says_what_to_do_and_keeps_its_link_to_its_body() {
        let at = Timestamp::from_seconds(1_790_000_000);
        let link = || LinkFacts { token: SecretString::new("T0KEN".to_owned()), until: at };
        let (new, by) = ("<b>new@example.org".to_owned(), "command:root".to_owned());
        for about in [
            About::SignInLink(link()),
            About::ResetLink(link()),
            About::SignUpLink(link()),
            About::HasAccount,
            About::ConfirmLink(link()),
            About::ChangeFrom { link: link(), new: new.clone() },
            About::ChangeTo(link()),
            About::NewSignIn { at, from: "Firefox, Linux".to_owned() },
            About::FailedSignIn { at },
            About::PasskeyCopied { at },
            About::Locked { until: at },
            About::PasswordChanged { at },
            About::AddressChanged { at, new: new.clone() },
            About::SecondFactorAdded { at },
            About::SecondFactorRemoved { at },
            About::RecoveryCodeUsed { at, left: 9 },
            About::RecoveryCodesReplaced { at },
            About::KeyAdded { at, name: new.clone() },
            About::Membership { at, organization: new.clone(), role: Some("admin".to_owned()) },
            About::Membership { at, organization: new.clone(), role: None },
            About::ServiceKeyAdded { at, name: new.clone(), service: new.clone(), organization: new.clone() },
            About::Administrator { at, until: at, by: new.clone() },
            closed(link(), &new),
            About::Restored { at, organization: Some(new.clone()) },
            About::Erased { at, organization: true, counts: vec![(new.clone(), 2)], copies_until: Some(at) },
            About::Invitation {
                link: link(),
                organization: new.clone(),
                role: "viewer".to_owned(),
                by: "ada@example.org".to_owned(),
                member_until: Some(at),
            },
            About::MembershipEnd { organization: new.clone(), member: None, until: at, over: false },
            About::MembershipEnd { organization: new.clone(), member: Some(new.clone()), until: at, over: false },
            About::MembershipEnd { organization: new.clone(), member: None, until: at, over: true },
            About::MembershipEnd { organization: new.clone(), member: Some(new.clone()), until: at, over: true },
            management(Step::Given, true),
            management(Step::Accepted, false),
            management(Step::Revoked, true),
            management(Step::Left, false),
            management(Step::Ends, false),
            management(Step::Over, true),
            About::Operator { at, new: vec![(new.clone(), new.clone())], over: vec![new.clone()], still: Vec::new() },
            About::Export { at, organization: Some(new.clone()), until: at, failure: None },
            About::Export { at, organization: None, until: at, failure: Some(new.clone()) },
            About::ChannelsErased { at, organization: new.clone(), channels: vec![new.clone()] },
            About::Recovery { at, account: new, by },
        ] {
            let mail = write(AccountMailId::at(at), &about, "https://picket.example/", at);
            assert!(mail.subject.contains("Picket") && !mail.subject.contains("T0KEN"), "{}", mail.subject);
            assert_eq!(
                about.link().is_some(),
                ["link", "invitation"]
                    .iter()
                    .any(|page| mail.text.contains(&format!("https://picket.example/{page}/T0KEN"))),
                "{}",
                mail.text
            );
            assert!(
                ["Not you?", "To get in", "Why you", "To change it"].iter().any(|row| mail.text.contains(row)),
                "{}",
                mail.text
            );
            assert!(!mail.html.contains("<b>new"), "{}", mail.html);
            assert!(!format!("{about:?}").contains("T0KEN"), "a link is never logged");
        }
    }
}
