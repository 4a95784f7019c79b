//! Documents name files between backticks; each must exist.

const ROOMS: &[&str] = &["shared/", "probe/", "collector/", "tests/", "docs/", "deploy/", "systemd/", ".ci/"];

/// Every file that a document names and that is not there.
pub(super) fn check(document: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace) {
            let path = word.trim_end_matches(['.', ',', ':']);
            let is_pattern = path.contains(['*', '{', '<', '$']) || path.contains("NNNN");
            if ROOMS.iter().any(|room| path.starts_with(room)) && !is_pattern && !exists(path) {
                complaints.push(format!("{document}:{}: there is no {path}", number + 1));
            }
        }
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !target.is_empty()
                && !target.contains(':')
                && !exists(&format!("{folder}/{target}")[usize::from(folder.is_empty())..])
            {
                complaints.push(format!("{document}:{}: the link to {target} leads nowhere", number + 1));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn count(document: &str, text: &str, expected: usize) {
        let found = check(document, text, |path| matches!(path, "docs/wire.md" | "shared/src/ids.rs"));
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_there_is_found() {
        count("README.md", "see `docs/wire.md`, `shared/src/ids.rs` and `docs/{a,b}.md`", 0);
        count("README.md", "see `docs/gone.md`", 1);
        count("README.md", "[wire](docs/wire.md#tokens) [out](https://example.org/) [here](#x)", 0);
        count("README.md", "[wire](docs/gone.md)", 1);
        count("docs/judging.md", "[wire](wire.md) [gone](gone.md)", 1);
    }
}
