//! Files that name targets: those of file_sd (JSON or YAML), and a Prometheus' own with `static_configs`.

use serde_json::{Map, Value};

use super::super::{Left, MAX_MONITORS, Unreadable, Upload, yaml};

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) target: String,
    /// Where it stands.
    pub(super) place: String,
    /// What a label calls it.
    pub(super) name: Option<String>,
    pub(super) module: Option<String>,
    /// Its labels as `name:value`.
    pub(super) tags: Vec<String>,
}

pub(super) fn read(file: &Upload<'_>) -> Result<(Vec<Target>, Vec<Left>), Unreadable> {
    let text = std::str::from_utf8(file.bytes).map_err(|_| Unreadable::of(file, "it is not text in UTF-8"))?;
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(json) => yaml::read(text).map_err(|why| {
            let json = if text.trim_start().starts_with(['[', '{']) { format!(" ({json})") } else { String::new() };
            Unreadable::of(file, format_args!("it is neither JSON{json} nor YAML: {why}"))
        })?,
    };
    let mut targets = Vec::new();
    let mut left = Vec::new();
    if let Some(groups) = value.as_array() {
        take_groups(file, groups, None, &mut targets)?;
    } else if let Some(scrapes) = value.get("scrape_configs").and_then(Value::as_array) {
        let mut elsewhere = 0;
        for scrape in scrapes {
            let module = scrape["params"]["module"][0].as_str();
            let groups = scrape["static_configs"].as_array().map_or(&[][..], Vec::as_slice);
            // Only a job that asks the exporter's /probe names targets for it.
            if module.is_some() || scrape["metrics_path"] == "/probe" {
                take_groups(file, groups, module, &mut targets)?;
                let named = scrape.as_object().into_iter().flat_map(Map::keys);
                elsewhere += named.filter(|key| key.ends_with("_sd_configs")).count();
            }
        }
        if elsewhere > 0 {
            let why = "these targets lie elsewhere: give the files of file_sd_configs by --targets too".to_owned();
            left.push(Left { what: "service discovery".to_owned(), count: elsewhere, why });
        }
    } else {
        return Err(Unreadable::of(
            file,
            "it names no targets: give a list of {targets, labels}, as file_sd has it, or a Prometheus' own file",
        ));
    }
    Ok((targets, left))
}

fn take_groups(
    file: &Upload<'_>,
    groups: &[Value],
    module: Option<&str>,
    targets: &mut Vec<Target>,
) -> Result<(), Unreadable> {
    for (index, group) in groups.iter().enumerate() {
        let place = format!("{}, group {}", file.name, index + 1);
        let Some(named) = group.get("targets").and_then(Value::as_array) else {
            return Err(Unreadable(format!("{place}: it has no list of targets")));
        };
        let empty = Map::new();
        let labels = group.get("labels").and_then(Value::as_object).unwrap_or(&empty);
        let label = |name: &str| labels.get(name).and_then(Value::as_str).map(str::to_owned);
        let tags =
            labels.iter().filter(|(name, _)| !name.starts_with("__") && !matches!(name.as_str(), "module" | "name"));
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let tags: Vec<_> = tags.map(|(name, value)| format!("{name}:{}", plain(value))).collect();
        // A name that stands for several targets is none.
        let name = label("name").filter(|_| named.len() == 1);
        for target in named {
            let Some(target) = target.as_str() else {
                return Err(Unreadable(format!("{place}: a target must be a text")));
            };
            if targets.len() == MAX_MONITORS {
                return Err(Unreadable(format!("{place}: more than {MAX_MONITORS} targets: divide them")));
            }
            targets.push(Target {
                target: target.to_owned(),
                place: place.clone(),
                name: name.clone(),
                module: label("__param_module").or_else(|| label("module")).or_else(|| module.map(str::to_owned)),
                tags: tags.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<(Vec<Target>, Vec<Left>), Unreadable> {
        read(&Upload { name: "t", bytes: text.as_bytes() })
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = r#"[{"targets": ["https://a.example/", "b.example"], "labels": {"env": "prod", "__param_module": "m", "__x": "y"}},
                       {"targets": ["c.example:22"], "labels": {"name": "ssh", "module": "t"}}]"#;
        let yaml = "- targets: [https://a.example/, b.example]\n  labels: {env: prod, __param_module: m, __x: y}\n\
                    - targets:\n  - c.example:22\n  labels:\n    name: ssh\n    module: t\n";
        let (found, _) = read_text(json).unwrap();
        assert_eq!(found, read_text(yaml).unwrap().0);
        let short: Vec<_> = found.iter().map(|t| (&t.target[..], t.module.as_deref(), t.name.as_deref())).collect();
        assert_eq!(
            short,
            [
                ("https://a.example/", Some("m"), None),
                ("b.example", Some("m"), None),
                ("c.example:22", Some("t"), Some("ssh"))
            ]
        );
        assert_eq!((found[0].tags.as_slice(), found[2].tags.len()), (&["env:prod".to_owned()][..], 0));
    }

    #[test]
    fn a_prometheus_file_gives_the_targets_of_its_probes() {
        let (found, left) = read_text(
            "scrape_configs:\n- job_name: node\n  static_configs: [{targets: ['localhost:9100']}]\n\
             - job_name: web\n  metrics_path: /probe\n  params: {module: [http_2xx]}\n\
             \x20 static_configs: [{targets: ['https://a.example/']}]\n  file_sd_configs: [{files: [x.json]}]\n",
        )
        .unwrap();
        assert_eq!((found.len(), found[0].module.as_deref()), (1, Some("http_2xx")));
        assert_eq!((left.len(), left[0].count), (1, 1));
    }

    #[test]
    fn what_names_no_targets_is_refused() {
        for (text, why) in [
            ("", "no targets"),
            ("{}", "no targets"),
            ("[1]", "group 1: it has no list"),
            ("[{\"targets\": [1]}]", "must be a text"),
            ("[{", "neither JSON"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
