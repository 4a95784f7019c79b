//! Every path that a file names, in full: `use` trees unfolded, `self`, `super` and names brought in by `use` resolved.

use std::collections::HashMap;

use super::lexer::{Kind, Token};

/// A path and the line it is on. Our own begin with `shared`, `probe` or `collector`; others with their crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// Which module a file is: `collector/src/flow/verify/mod.rs` is `["collector", "flow", "verify"]`.
pub(super) fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let parts = stem.split('/').filter(|part| !matches!(*part, "src" | "lib"));
    parts.map(ToOwned::to_owned).collect()
}

/// Every path in `tokens`, which are those of `file`.
pub(super) fn named(file: &str, tokens: &[Token]) -> Vec<Named> {
    let scope = Scope { module: module_of(file), aliases: HashMap::new() };
    let mut uses = Vec::new();
    let mut others = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].is_name("use") {
            at = use_tree(tokens, at + 1, &[], &mut uses);
        } else {
            at = plain_path(tokens, at, &mut others);
        }
    }
    let mut scope = scope;
    let mut found = Vec::new();
    for (alias, named) in uses {
        let path = scope.resolve(&named.path);
        if let Some(alias) = alias {
            scope.aliases.insert(alias, path.clone());
        }
        found.push(Named { path, line: named.line });
    }
    found.extend(others.into_iter().map(|named| Named { path: scope.resolve(&named.path), line: named.line }));
    found
}

struct Scope {
    module: Vec<String>,
    aliases: HashMap<String, Vec<String>>,
}

impl Scope {
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let (first, rest) = path.split_first().map(|(first, rest)| (first.as_str(), rest)).unwrap_or_default();
        let package = self.module.first().map_or("", String::as_str);
        match first {
            "crate" => join(&[package.to_owned()], rest),
            "picket_shared" => join(&["shared".to_owned()], rest),
            "picket_probe" => join(&["probe".to_owned()], rest),
            "picket_collector" => join(&["collector".to_owned()], rest),
            "self" => join(&self.module, rest),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let stay = self.module.len().saturating_sub(ups).max(1);
                join(&self.module[..stay], &path[ups..])
            }
            _ => match self.aliases.get(first) {
                Some(whole) => join(whole, rest),
                None => path.to_owned(),
            },
        }
    }
}

fn join(front: &[String], back: &[String]) -> Vec<String> {
    front.iter().chain(back).cloned().collect()
}

type Found = (Option<String>, Named);

/// Reads one tree after `prefix`; gives the index after it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    let mut path = prefix.to_owned();
    let mut alias = None;
    let mut line = tokens.get(at).map_or(0, |token| token.line);
    let mut branched = false;
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Name(name) if name == "as" => {
                alias = tokens.get(at + 1).and_then(name_of);
                at += 1;
            }
            // `{self}` and `x::{self}` name the prefix itself.
            Kind::Name(name) if name == "self" && !prefix.is_empty() => {}
            Kind::Name(name) => {
                path.push(name.clone());
                line = token.line;
            }
            Kind::Separator => {}
            Kind::Mark('{') => {
                branched = true;
                at += 1;
                while tokens.get(at).is_some_and(|token| !token.is_mark('}')) {
                    at = use_tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|token| token.is_mark(',')) {
                        at += 1;
                    }
                }
            }
            Kind::Mark('*') => path.push("*".to_owned()),
            _ => break,
        }
        at += 1;
    }
    if !branched && !path.is_empty() {
        let alias = alias.or_else(|| path.last().cloned()).filter(|name| name != "*" && name != "_");
        found.push((alias, Named { path, line }));
    }
    at
}

/// Reads a path of two parts or more that begins here, if one does; gives the index after what it read.
fn plain_path(tokens: &[Token], at: usize, found: &mut Vec<Named>) -> usize {
    let Some(first) = tokens.get(at).and_then(name_of) else { return at + 1 };
    let (mut path, mut next) = (vec![first], at + 1);
    while tokens.get(next).is_some_and(|token| token.kind == Kind::Separator) {
        let Some(name) = tokens.get(next + 1).and_then(name_of) else { break };
        path.push(name);
        next += 2;
    }
    if path.len() > 1 {
        found.push(Named { path, line: tokens[at].line });
    }
    next
}

fn name_of(token: &Token) -> Option<String> {
    if let Kind::Name(name) = &token.kind { Some(name.clone()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::*;

    #[track_caller]
    fn check(file: &str, text: &str, expected: &[&str]) {
        let found = named(file, &lexer::read(text).tokens);
        let found: Vec<String> = found.into_iter().map(|named| named.path.join("::")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn trees_are_unfolded() {
        check(
            "collector/src/flow/ingest.rs",
            "use crate::store::{self, batches::{insert, Row as R}, scope::*}; use std::fmt;",
            &[
                "collector::store",
                "collector::store::batches::insert",
                "collector::store::batches::Row",
                "collector::store::scope::*",
                "std::fmt",
            ],
        );
    }

    #[test]
    fn relative_paths_and_aliases_are_resolved() {
        check("collector/src/flow/verify/mod.rs", "use super::ingest;", &["collector::flow::ingest"]);
        check(
            "collector/src/flow/verify/replay.rs",
            "fn f() { self::x::y() }",
            &["collector::flow::verify::replay::x::y"],
        );
        check(
            "collector/src/web/x.rs",
            "use crate::store as s; fn f() { s::batches::insert() }",
            &["collector::store", "collector::store::batches::insert"],
        );
        check("probe/src/ship.rs", "use picket_shared::wire;", &["shared::wire"]);
    }

    #[test]
    fn paths_inside_macros_are_seen() {
        check("probe/src/ship.rs", "select! { x = crate::buffer::pop() => {} }", &["probe::buffer::pop"]);
    }
}
