//! Applies the table to one file.

use super::lexer::{self, Kind, Token};
use super::paths::{self, Named};
use super::table::{BANS, Ban, IMPORTS, MAX_LINES, ONLY, STAGES};

/// The files that are compiled for tests only, because their parent says `#[cfg(test)] mod name;`.
pub(super) fn test_files(file: &str, text: &str) -> Vec<String> {
    let tokens = lexer::read(text).test_tokens;
    let folder = match file.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
        _ => file.trim_end_matches(".rs"),
    };
    let named = tokens.windows(3).filter(|three| three[0].is_name("mod") && three[2].is_mark(';'));
    let names = named.filter_map(|three| if let Kind::Name(name) = &three[1].kind { Some(name) } else { None });
    names.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

/// Whether a file is one of these tests, or lies in the folder of one.
pub(super) fn is_among(file: &str, tests: &[String]) -> bool {
    let lies_in = |test: &String| {
        let folder = test.trim_end_matches(".rs").trim_end_matches("/mod");
        file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    tests.iter().any(|test| test == file || lies_in(test))
}

/// Everything that is wrong with a file of the product, each with its line.
pub(super) fn check(file: &str, text: &str) -> Vec<String> {
    let mut complaints = check_any(file, text);
    let source = lexer::read(text);
    let module = paths::module_of(file).join("::");
    let module = if module.contains("::") || module == "shared" { module } else { format!("{module}::lib") };
    if row_of(&module).is_none() {
        complaints.push(format!("{file}:1: {module} is not in the table of imports: add it, with what it may name"));
    }
    for named in paths::named(file, &source.tokens) {
        let path = named.path.join("::");
        let rules = [import(&module, &path), only(&module, &path), stage(&module, &path)];
        complaints.extend(rules.into_iter().flatten().map(|what| format!("{file}:{}: {what}", named.line)));
    }
    complaints.extend(banned(file, &source.tokens).into_iter().map(|(line, what)| format!("{file}:{line}: {what}")));
    complaints.dedup();
    complaints
}

/// Everything that is wrong with a file, be it of the product or of its tests.
pub(super) fn check_any(file: &str, text: &str) -> Vec<String> {
    let source = lexer::read(text);
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: String| complaints.push(format!("{file}:{line}: {what}"));
    if source.lines > MAX_LINES {
        complain(source.lines, format!("{} lines without tests, {MAX_LINES} at most: split it", source.lines));
    }
    for (line, what) in [&source.tokens, &source.test_tokens].into_iter().flat_map(|tokens| unfinished(tokens)) {
        complain(line, what.to_owned());
    }
    complaints
}

/// What says that something is not finished, in the product and in its tests.
fn unfinished(tokens: &[Token]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |steps: usize| tokens.get(at + steps);
        let is_macro = next(1).is_some_and(|token| token.is_mark('!'));
        if is_macro && (token.is_name("todo") || token.is_name("unimplemented")) {
            found.push((token.line, "nothing is left to do in what is committed"));
        }
        let is_attribute = at > 1 && tokens[at - 1].is_mark('[') && tokens[at - 2].is_mark('#');
        if is_attribute && token.is_name("ignore") {
            found.push((token.line, "no test is ignored: make it pass, or read PICKET_FULL in it"));
        }
        if token.is_name("allow") && next(1).is_some_and(|token| token.is_mark('(')) {
            let inside = tokens[at..].iter().take_while(|token| !token.is_mark(')'));
            if inside.clone().any(|token| matches!(&token.kind, Kind::Name(name) if name == "dead_code")) {
                found.push((token.line, "code that nobody uses goes"));
            }
        }
    }
    found
}

/// Whether `path` is `front` or lies below it.
fn is_below(path: &str, front: &str) -> bool {
    path == front || path.strip_prefix(front).is_some_and(|rest| rest.starts_with("::"))
}

/// What `module` may name, and the row that says so.
fn row_of(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    IMPORTS.iter().copied().filter(|(row, _)| is_below(module, row)).max_by_key(|(row, _)| row.len())
}

fn import(module: &str, path: &str) -> Option<String> {
    if !["shared", "collector", "probe"].iter().any(|package| is_below(path, package)) {
        return None;
    }
    let (row, may) = row_of(module)?;
    // A package's own root re-exports nothing: naming it is naming what lies below.
    let own = is_below(path, row) || path == module || is_below(row, path);
    let allowed = own || may.iter().any(|may| *may == "*" || is_below(path, may));
    (!allowed).then(|| format!("{row} may not name {path}"))
}

fn only(module: &str, path: &str) -> Option<String> {
    ONLY.iter().filter(|(kept, _)| is_below(path, kept)).find_map(|(kept, who)| {
        let home = kept.rsplit_once("::").map_or(*kept, |(home, _)| home);
        let may = is_below(module, home) || who.iter().any(|who| is_below(module, who));
        (!may).then(|| format!("only {} may name {kept}", who.join(" and ")))
    })
}

fn stage(module: &str, path: &str) -> Option<String> {
    let (floor, exceptions) = STAGES;
    let stage_of = |path: &str| path.strip_prefix(floor)?.strip_prefix("::")?.split("::").next().map(ToOwned::to_owned);
    let (own, other) = (stage_of(module)?, stage_of(path)?);
    let allowed = own == other || exceptions.iter().any(|(who, what)| is_below(module, who) && is_below(path, what));
    (!allowed).then(|| format!("the stage {own} may not name the stage {other}: they meet in tables"))
}

fn banned(file: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let begins = |fronts: &[&str]| fronts.iter().any(|front| file.starts_with(front));
    let bans: Vec<&Ban> = BANS.iter().filter(|ban| begins(ban.within) && !begins(ban.except)).collect();
    let complaint = |named: Named| {
        let path = named.path.join("::");
        let ban = bans.iter().find(|ban| ban.paths.iter().any(|banned| matches(&path, banned)))?;
        Some((named.line, format!("{path}: {}", ban.why)))
    };
    let mut found: Vec<(usize, String)> = paths::named(file, tokens).into_iter().filter_map(complaint).collect();
    if file.starts_with("collector/src/domain/") {
        let lines = tokens.iter().filter(|token| token.is_name("async")).map(|token| token.line);
        found.extend(lines.map(|line| (line, "async: this floor is pure: values in, values out".to_owned())));
    }
    found
}

fn matches(path: &str, banned: &str) -> bool {
    match banned.strip_suffix('*') {
        Some(front) => path.starts_with(front),
        None => is_below(path, banned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn complains(file: &str, text: &str, expected: &str) {
        let found = check(file, text);
        assert!(found.iter().any(|complaint| complaint.contains(expected)), "{expected:?} is not in {found:?}");
    }

    #[track_caller]
    fn is_fine(file: &str, text: &str) {
        assert_eq!(check(file, text), Vec::<String>::new());
    }

    #[test]
    fn a_floor_may_name_what_its_row_lists_and_nothing_else() {
        is_fine("collector/src/domain/gap.rs", "use picket_shared::ids::MonitorId; use super::uptime::Sum;");
        complains("collector/src/domain/gap.rs", "use crate::store::gaps;", "collector::domain may not name");
        complains("collector/src/store/gaps.rs", "fn f(k: &crate::vault::Opener) {}", "collector::store may not name");
        complains("collector/src/web/ui/x.rs", "use crate::{app::App, ops::drill};", "collector::ops::drill");
        complains("collector/src/web/ui/x.rs", "use crate::vault::Opener;", "collector::vault::Opener");
        is_fine("collector/src/web/ui/x.rs", "use crate::vault::Sealer;");
        complains("collector/src/web/ui/x.rs", "use crate::flow::verify::check;", "collector::flow::verify");
        is_fine("collector/src/web/probe/batches.rs", "use crate::flow::{ingest, verify};");
        complains("shared/src/wire.rs", "use picket_collector::store;", "shared may not name");
        complains("collector/src/weather.rs", "use picket_shared::ids;", "not in the table");
        is_fine("collector/src/cmd/serve.rs", "use crate::{ops, flow, web};");
    }

    #[test]
    fn a_row_is_kept_inside_macros_and_by_other_names() {
        complains(
            "collector/src/notify/mod.rs",
            "tokio::select! { x = crate::store::f() => {} }",
            "collector::store::f",
        );
        complains("probe/src/ship.rs", "use crate as us; fn f() { us::buffer::pop() }", "probe::buffer::pop");
    }

    #[test]
    fn a_test_may_name_anything() {
        is_fine("collector/src/domain/gap.rs", "#[cfg(test)]\nmod tests { use crate::store::gaps; use tokio::fs; }");
    }

    #[test]
    fn a_file_that_only_tests_see_is_a_test() {
        let parent = "mod real;\n#[cfg(test)]\nmod testing;\n";
        assert_eq!(test_files("probe/src/link/mod.rs", parent)[0], "probe/src/link/testing.rs");
        assert_eq!(test_files("probe/src/ship.rs", parent)[1], "probe/src/ship/testing/mod.rs");
        let tests = test_files("probe/src/ship.rs", parent);
        assert_eq!(tests.len(), 2);
        for file in ["probe/src/ship/testing.rs", "probe/src/ship/testing/mod.rs", "probe/src/ship/testing/more.rs"] {
            assert!(is_among(file, &tests), "{file}");
        }
        assert!(!is_among("probe/src/ship/testings.rs", &tests) && !is_among("probe/src/ship/real.rs", &tests));
    }

    #[test]
    fn stages_do_not_know_each_other() {
        complains("collector/src/flow/judge.rs", "use super::dispatch;", "meet in tables");
        complains("collector/src/flow/ingest.rs", "use super::verify::limits;", "meet in tables");
        is_fine("collector/src/flow/ingest.rs", "use super::verify::VerifiedBatch;");
        complains("probe/src/ship.rs", "use crate::buffer::Buffer;", "probe::ship may not name");
        is_fine("probe/src/runner.rs", "use crate::{checks, schedule};");
        is_fine("probe/src/pipeline.rs", "use crate::{buffer, ship};");
    }

    #[test]
    fn batches_are_stored_by_ingest_alone() {
        complains("collector/src/flow/gaps.rs", "use crate::store; fn f() { store::batches::f() }", "only");
        complains("collector/src/cmd/serve.rs", "use crate::store::batches;", "only");
        is_fine("collector/src/flow/ingest.rs", "use crate::store::batches;");
    }

    #[test]
    fn the_pure_floors_stay_pure() {
        for text in ["use sqlx::PgPool;", "fn f() { tokio::spawn(x) }", "use std::fs;", "use std::net::TcpStream;"] {
            complains("collector/src/domain/outage/vote.rs", text, "pure");
            complains("shared/src/batch.rs", text, "pure");
        }
        complains("collector/src/domain/gap.rs", "fn f() { tracing::info!(1) }", "pure");
        complains("collector/src/domain/gap.rs", "async fn f() {}", "pure");
        is_fine("shared/src/egress/connect.rs", "use tokio::net::TcpStream;");
        is_fine("shared/src/batch.rs", "use std::net::IpAddr;");
    }

    #[test]
    fn one_file_reads_the_clock() {
        for text in [
            "use std::time::{Duration, Instant};",
            "use std::time::SystemTime; fn f() { SystemTime::now() }",
            "fn f() { jiff::Timestamp::now() }",
            "use uuid::Uuid; fn f() { Uuid::now_v7() }",
        ] {
            complains("probe/src/clock.rs", text, "reads a clock");
            is_fine("shared/src/time.rs", text);
        }
        is_fine("probe/src/clock.rs", "use tokio::time::Instant; fn f() { Instant::now() }");
    }

    #[test]
    fn sql_stays_in_the_store() {
        for text in ["use sqlx::query_as;", "fn f() { sqlx::query(x) }", "fn f() { sqlx::query_scalar::<i64>(x) }"] {
            complains("collector/src/flow/judge.rs", text, "all SQL");
            is_fine("collector/src/store/states.rs", text);
            is_fine("collector/src/postgres/roles.rs", text);
        }
    }

    #[test]
    fn statements_are_put_together_in_few_places() {
        for text in ["use sqlx::AssertSqlSafe;", "fn f() { sqlx::query(sqlx::AssertSqlSafe(x)) }"] {
            complains("collector/src/store/states.rs", text, "bind what varies");
            is_fine("collector/src/store/members.rs", text);
        }
    }

    #[test]
    fn a_probe_writes_no_file() {
        for text in [
            "fn f() { std::fs::write(a, b) }",
            "use std::fs; fn f() { fs::create_dir_all(a) }",
            "use std::fs::File; fn f() { File::create(a) }",
            "use std::fs::OpenOptions;",
        ] {
            complains("probe/src/buffer.rs", text, "writes nothing");
        }
        is_fine("probe/src/config.rs", "fn f() { std::fs::read_to_string(a) }");
    }

    #[test]
    fn long_and_unfinished_files_are_found() {
        complains("probe/src/ship.rs", &"fn f() {}\n".repeat(401), "split it");
        is_fine("probe/src/ship.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}", "fn f() {}\n".repeat(500)));
        complains("probe/src/ship.rs", "fn f() { todo!() }", "left to do");
        complains("tests/it/x.rs", "#[test]\n#[ignore]\nfn f() {}", "ignored");
        complains("tests/it/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", "ignored");
        complains("probe/src/ship.rs", "#[allow(unused, dead_code)]\nfn f() {}", "nobody uses");
        is_fine("probe/src/ship.rs", "// todo!() #[ignore]\nconst A: &str = \"#[allow(dead_code)]\";");
    }
}
