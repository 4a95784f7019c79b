//! A template of an organization: read whole, with every fault by its line. Secrets are not in it: a secret names a file or a variable
//! of the environment.
//!
//! It is read while the command line is parsed, as the files are of secrets: before root's rights are given up.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use picket_shared::secret::SecretString;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::domain::access::Role;
use crate::login::address;
use crate::notify::Settings;
use crate::notify::channels::{Field, Form, Kind};
use crate::store::limits::Limits;

/// What an organization is to be.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// What to call it, unless the command says otherwise.
    pub name: Option<String>,
    /// Who owns it, unless the command says otherwise.
    pub owner: Option<String>,
    /// What it may have, if that is said.
    pub limits: Option<Limits>,
    /// How people are told.
    pub channels: Vec<Channel>,
    /// Who is invited, and as what.
    pub invitations: Vec<(String, Role)>,
}

/// A channel of it.
#[derive(Clone, Debug)]
pub struct Channel {
    /// What to call it; what it reaches if not given.
    pub name: Option<String>,
    /// Which kind it is.
    pub kind: Kind,
    /// Its settings.
    pub form: Form,
}

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    line: usize,
    field: String,
    why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, why } = self;
        if field.is_empty() { write!(f, "line {line}: {why}") } else { write!(f, "line {line}: {field}: {why}") }
    }
}

/// Reads the template of a file: a value parser for clap.
///
/// # Errors
/// That it cannot be read, or every fault in it, a line each.
pub fn read(path: &str) -> Result<Template, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let folder = Path::new(path).parent().map(Path::to_path_buf).unwrap_or_default();
    parse(&text, &folder).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        lines.concat()
    })
}

/// Reads a template; files of secrets are named from `folder` on.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Template, Vec<Fault>> {
    let mut reader = Reader { text, folder: folder.to_path_buf(), faults: Vec::new() };
    let (document, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        let faults = broken.iter().map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            Fault { line: reader.line(start), field: String::new(), why: error.message().to_owned() }
        });
        return Err(faults.collect());
    }
    let template = reader.template(document.get_ref());
    reader.faults.sort_by_key(|fault| fault.line);
    if reader.faults.is_empty() { Ok(template) } else { Err(reader.faults) }
}

struct Reader<'a> {
    text: &'a str,
    folder: PathBuf,
    faults: Vec<Fault>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn fault(&mut self, at: usize, field: impl Into<String>, why: impl Into<String>) {
        let line = self.line(at);
        self.faults.push(Fault { line, field: field.into(), why: why.into() });
    }

    /// What is there by these names; anything else is a fault.
    fn known(&mut self, place: &str, table: &DeTable<'_>, names: &[&str]) {
        for key in table.keys().filter(|key| !names.contains(&key.get_ref().as_ref())) {
            let why = format!("there is no such key here: use {}", names.join(", "));
            self.fault(key.span().start, joined(place, key.get_ref()), why);
        }
    }

    fn template(&mut self, root: &DeTable<'_>) -> Template {
        self.known("", root, &["organization", "limits", "channel", "invitation"]);
        let mut template = Template::default();
        if let Some(value) = root.get("organization")
            && let Some(table) = self.table("organization", value)
        {
            self.known("organization", table, &["name", "owner"]);
            template.name = self.text_of("organization", table, "name").map(|(text, _)| text);
            template.owner = self.text_of("organization", table, "owner").and_then(|(text, at)| {
                address(&text).map_err(|_| self.fault(at, "organization.owner", BAD_ADDRESS)).ok()
            });
        }
        if let Some(value) = root.get("limits")
            && let Some(table) = self.table("limits", value)
        {
            template.limits = Some(self.limits(table));
        }
        template.channels = self.each(root, "channel", Self::channel);
        self.twice(root, "channel", "name", template.channels.iter().map(|channel| channel.name.clone()));
        template.invitations = self.each(root, "invitation", Self::invitation);
        self.twice(root, "invitation", "email", template.invitations.iter().map(|(email, _)| Some(email.clone())));
        template
    }

    fn limits(&mut self, table: &DeTable<'_>) -> Limits {
        let names = ["monitors", "interval_s", "checks_per_minute", "sms_per_day"];
        self.known("limits", table, &names);
        let [monitors, interval_s, checks_per_minute, sms_per_day] = names.map(|name| {
            let value = table.get(name)?;
            let (least, most) = if name == "interval_s" { (5, 86_400) } else { (0, i32::MAX) };
            let number = value
                .get_ref()
                .as_integer()
                .and_then(|number| i32::from_str_radix(number.as_str(), number.radix()).ok());
            let fits = number.filter(|number| (least..=most).contains(number));
            if fits.is_none() {
                let why = format!("must be a whole number of {least} to {most}; leave it out for no limit");
                self.fault(value.span().start, joined("limits", name), why);
            }
            fits
        });
        Limits { monitors, interval_s, checks_per_minute, sms_per_day }
    }

    fn channel(&mut self, place: &str, table: &DeTable<'_>, at: usize) -> Option<Channel> {
        let kinds = || Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let Some((kind, at_kind)) = self.text_of(place, table, "kind") else {
            if !table.contains_key("kind") {
                self.fault(at, joined(place, "kind"), format!("is missing: use one of {}", kinds()));
            }
            return None;
        };
        let Some(kind) = Kind::parse(&kind) else {
            self.fault(at_kind, joined(place, "kind"), format!("there is no such kind: use one of {}", kinds()));
            return None;
        };
        let fields = kind.fields();
        let names: Vec<&str> = ["kind", "name"].into_iter().chain(fields.iter().map(|field| field.name)).collect();
        self.known(place, table, &names);
        let name = self.text_of(place, table, "name").map(|(text, _)| text);
        let (before, mut form) = (self.faults.len(), Form::default());
        for field in fields {
            if let Some(value) = table.get(field.name)
                && let Some(text) = self.setting(place, field, value)
            {
                form = form.with(field.name, text.expose().as_str());
            }
        }
        // What is wrong already says why; a setting that could not be read is not missing.
        if self.faults.len() == before
            && let Err(wrong) = Settings::parse(kind, &form)
        {
            for fault in wrong {
                let at = table.get(fault.field).map_or(at, |value| value.span().start);
                self.fault(at, joined(place, fault.field), fault.message);
            }
        }
        Some(Channel { name, kind, form })
    }

    /// A setting: a text, or of a secret where it is found.
    fn setting(&mut self, place: &str, field: &Field, value: &Value<'_>) -> Option<SecretString> {
        let (at, place) = (value.span().start, joined(place, field.name));
        match value.get_ref() {
            DeValue::String(_) if field.secret => {
                self.fault(at, place, "is a secret: use { file = \"...\" } or { env = \"...\" }");
                None
            }
            DeValue::String(text) => Some(SecretString::new(text.to_string())),
            DeValue::Table(table) if field.secret => {
                self.known(&place, table, &["file", "env"]);
                let file = self.text_of(&place, table, "file");
                let variable = self.text_of(&place, table, "env");
                let found = match (file, variable) {
                    (Some((path, _)), None) => std::fs::read_to_string(self.folder.join(&path))
                        .map_err(|error| format!("{path} cannot be read: {error}")),
                    (None, Some((name, _))) => std::env::var(&name)
                        .map_err(|_| format!("there is no variable {name} in the environment, or it is no text")),
                    _ => Err("give either file or env".to_owned()),
                };
                match found {
                    Ok(text) => Some(SecretString::new(text.trim_end_matches(['\r', '\n']).to_owned())),
                    Err(why) => {
                        self.fault(at, place, why);
                        None
                    }
                }
            }
            _ => {
                self.fault(at, place, "must be a text in quotes");
                None
            }
        }
    }

    fn invitation(&mut self, place: &str, table: &DeTable<'_>, at: usize) -> Option<(String, Role)> {
        self.known(place, table, &["email", "role"]);
        let missing: Vec<&str> = ["email", "role"].into_iter().filter(|name| !table.contains_key(*name)).collect();
        for name in missing {
            self.fault(at, joined(place, name), "is missing");
        }
        let email = self.text_of(place, table, "email").and_then(|(text, at)| {
            address(&text).map_err(|_| self.fault(at, joined(place, "email"), BAD_ADDRESS)).ok()
        });
        let role = self.text_of(place, table, "role").and_then(|(text, at)| {
            let known = || format!("must be one of {}", Role::ALL.map(Role::as_str).join(", "));
            text.parse().map_err(|_| self.fault(at, joined(place, "role"), known())).ok()
        });
        email.zip(role)
    }

    fn table<'v, 'i>(&mut self, place: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.fault(value.span().start, place, format!("must be a table: [{place}]"));
        }
        table
    }

    /// Each table of a list: `[[channel]]`.
    fn each<T>(
        &mut self,
        root: &DeTable<'_>,
        name: &str,
        read: impl Fn(&mut Self, &str, &DeTable<'_>, usize) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for (n, value) in self.list(root, name).iter().enumerate() {
            let place = format!("{name}[{n}]");
            match value.get_ref().as_table() {
                Some(table) => found.extend(read(self, &place, table, value.span().start)),
                None => self.fault(value.span().start, place, format!("must be a table: [[{name}]]")),
            }
        }
        found
    }

    fn list<'v, 'i>(&mut self, root: &'v DeTable<'i>, name: &str) -> &'v [Value<'i>] {
        let Some(value) = root.get(name) else { return &[] };
        match value.get_ref() {
            DeValue::Array(list) => DeArray::as_ref(list),
            _ => {
                self.fault(value.span().start, name, format!("must be a list of tables: [[{name}]]"));
                &[]
            }
        }
    }

    /// What comes twice where each is to be once.
    fn twice(&mut self, root: &DeTable<'_>, list: &str, field: &str, values: impl Iterator<Item = Option<String>>) {
        let mut seen = HashSet::new();
        for (n, value) in values.enumerate() {
            if let Some(value) = value
                && !seen.insert(value.clone())
            {
                // One that was left out moves those after it: the first of this value from here on.
                let own = self.list(root, list).iter().rev().find_map(|item| {
                    let found = item.get_ref().as_table()?.get(field)?;
                    (found.get_ref().as_str()?.trim().to_lowercase() == value.to_lowercase())
                        .then(|| found.span().start)
                });
                self.fault(
                    own.unwrap_or_default(),
                    format!("{list}[{n}].{field}"),
                    format!("{value:?} is there already"),
                );
            }
        }
    }

    fn text_of(&mut self, place: &str, table: &DeTable<'_>, name: &str) -> Option<(String, usize)> {
        let value = table.get(name)?;
        let (text, at) = (value.get_ref().as_str().map(str::trim).filter(|text| !text.is_empty()), value.span().start);
        if text.is_none() {
            self.fault(at, joined(place, name), "must be a text in quotes that is not empty");
        }
        text.map(|text| (text.to_owned(), at))
    }
}

const BAD_ADDRESS: &str = "must be an address that mail can be sent to";

fn joined(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template that comes with Picket.
    const EXAMPLE: &str = include_str!("../../../../deploy/organization.example.toml");

    fn faults(text: &str) -> Vec<String> {
        parse(text, Path::new("/nowhere")).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("slack-url"), "https://hooks.slack.com/services/T0/B0/xyz\n").unwrap();
        let template = parse(EXAMPLE, folder.path()).unwrap();
        assert_eq!((template.name, template.owner.as_deref()), (None, Some("ada@example.org")));
        assert_eq!(template.limits.unwrap().monitors, Some(100));
        assert_eq!(
            template.channels.iter().map(|channel| channel.kind.as_str()).collect::<Vec<_>>(),
            ["email", "slack"]
        );
        assert_eq!(template.invitations[0], ("bob@example.org".to_owned(), Role::Owner));
    }

    #[test]
    fn every_fault_is_named_by_its_line_at_once() {
        let text = "\
[organization]
name = 3
ownr = 'ada@example.org'
[limits]
interval_s = 2
[[channel]]
kind = 'pigeon'
[[channel]]
kind = 'slack'
url = 'https://hooks.slack.com/services/T0/B0/canary-1'
[[channel]]
name = 'mail'
[[channel]]
kind = 'email'
address = 'nobody'
colour = 'red'
[[invitation]]
email = 'bob'
role = 'king'
[[invitation]]
role = 'viewer'
[[policy]]
";
        let found = faults(text);
        let lines: Vec<&str> = found.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
        let numbers: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "organization.name",
                "organization.ownr",
                "limits.interval_s",
                "channel[0].kind",
                "channel[1].url",
                "channel[2].kind",
                "channel[3].address",
                "channel[3].colour",
                "invitation[0].email",
                "invitation[0].role",
                "invitation[1].email",
                "policy"
            ],
            "{found:?}"
        );
        assert_eq!(numbers[0], "line 2");
        assert_eq!(numbers[6], "line 15");
        assert!(!found.concat().contains("canary-1"), "a secret is never repeated: {found:?}");
        assert_eq!(faults("[organization\nname = 1\n").len(), 1, "what is no TOML is said by its line");
    }

    #[test]
    fn a_secret_is_in_a_file_or_the_environment_and_what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), "https://hooks.slack.com/services/T0/B0/xyz\r\n").unwrap();
        let with = |secret: &str| parse(&format!("[[channel]]\nkind = 'slack'\nurl = {secret}\n"), folder.path());
        let read = with("{ file = 'url' }").unwrap();
        assert!(Settings::parse(read.channels[0].kind, &read.channels[0].form).is_ok());
        for (secret, why) in [
            ("{ file = 'other' }", "other cannot be read"),
            ("{ env = 'PICKET_NO_SUCH_THING' }", "there is no variable PICKET_NO_SUCH_THING"),
            ("{ file = 'url', env = 'PATH' }", "give either file or env"),
            ("{ }", "give either file or env"),
            ("7", "must be a text in quotes"),
        ] {
            let found = with(secret).unwrap_err();
            assert!(found.iter().any(|fault| fault.to_string().contains(why)), "{secret}: {found:?}");
        }
    }

    #[test]
    fn what_comes_twice_is_a_fault() {
        let found = faults(
            "[[invitation]]\nemail = 'a@example.org'\nrole = 'viewer'\n[[invitation]]\nemail = 'A@Example.org'\nrole = 'owner'\n",
        );
        assert_eq!(found, ["line 5: invitation[1].email: \"a@example.org\" is there already"]);
    }
}
