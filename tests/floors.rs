//! The architecture, as far as a text can show it: modules import only downwards, columns do not know each other, one
//! file names the crypto crates and one reads the clock. The compiler objects to none of this, so this test does.
//!
//! What `include!` and the macros of other crates produce is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    Ground,
    /// One of three; they stand side by side and do not know each other.
    Column(u8),
    Composition,
}

/// Every module, lowest first: each may use what stands before it.
const FLOORS: &[(Floor, &[&str])] = &[
    (
        Floor::Ground,
        &["buffer", "error/keys", "error/revocations", "error", "ids", "time"],
    ),
    (
        Floor::Column(1),
        &[
            "token/aead",
            "token/base64url",
            "token/envelope",
            "key",
            "keyring",
            "keyring/source",
            "key_source",
            "day_keys",
            "token",
        ],
    ),
    (
        Floor::Column(2),
        &[
            "session/event",
            "revocation/snapshot",
            "revocation/shards",
            "revocation",
            "session/lifetime",
            "session/content",
            "session/versions",
            "session",
        ],
    ),
    (Floor::Column(3), &["cookie", "cache", "headers"]),
    (
        Floor::Composition,
        &[
            "revocation/file",
            "sealer",
            "sessions/table",
            "sessions/alarm",
            "sessions/builder",
            "sessions/opening",
            "sessions/handle",
            "sessions/finishing",
            "sessions/writing",
            "sessions",
            "edge",
            "reload",
            "next_page",
            "layers",
            "guard",
            "http",
            "tower",
            "axum",
            "actix",
            "tracing",
            "testing",
        ],
    ),
];

/// The one look upwards, errors name keys; so it is not returned.
const EXCEPTIONS: &[(&str, &str)] = &[("error/keys", "ids"), ("error", "ids")];

/// One module split in files: the children may name their parent.
const SPLIT: &[&str] = &["sessions"];

/// They use public items, and may name them as a user does: `crate::Sessions`.
const ADAPTERS: &[&str] = &["layers", "guard", "http", "tower", "axum", "actix", "tracing"];

/// Files that only tests declare.
const TEST_ONLY: &[&str] = &["token/vectors", "token/laws", "sessions/tests", "revocation/tests"];

const CRYPTO: &[&str] = &["aes_gcm", "hkdf", "sha2", "getrandom"];
const SERDE: &[&str] = &["serde", "serde_json"];
const WEB: &[&str] = &[
    "http",
    "axum",
    "axum_core",
    "tower",
    "tower_layer",
    "tower_service",
    "actix_web",
];

#[test]
fn every_file_keeps_to_its_floor() {
    let files = sources();
    let mut complaints = Vec::new();
    for (file, source) in &files {
        match file.as_str() {
            "lib" => complaints.extend(check_lib(source)),
            file if TEST_ONLY.contains(&file) => {}
            file if file.starts_with("bin/") => complaints.extend(check_bin(file, source)),
            file => complaints.extend(check(file, source)),
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(
        files.contains_key("lib") && files.contains_key("token/aead"),
        "the sources were not found"
    );
}

#[test]
fn files_of_tests_are_declared_by_tests_alone() {
    let files = sources();
    for file in TEST_ONLY {
        assert!(
            files.contains_key(*file),
            "src/{file}.rs is gone; strike it off the list"
        );
        let (parent, name) = file.rsplit_once('/').unwrap_or(("lib", file));
        let declares = |tokens: Vec<Token>| {
            tokens
                .windows(2)
                .any(|pair| pair[0].text == "mod" && pair[1].text == *name)
        };
        let parent = &files[parent];
        assert!(declares(tokens(parent)), "src/{file}.rs is not declared by its parent");
        assert!(
            !declares(without_tests(tokens(parent))),
            "src/{file}.rs is part of the crate"
        );
    }
}

#[test]
fn the_vectors_are_there_and_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1.json");
    let text = fs::read_to_string(path).expect("the copy of the vectors is in tests/data");
    let file: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    assert_eq!(file["format"], "sealed-session v1");
    for (table, fields) in [
        (
            "vectors",
            &["expect", "token", "secret", "key_id", "name", "comment"][..],
        ),
        ("rings", &["text", "comment"]),
        ("raw_secrets", &["hex", "comment"]),
    ] {
        let rows = file[table].as_array().expect("a table of vectors is a list");
        assert!(!rows.is_empty(), "{table} is empty");
        for row in rows {
            for field in fields {
                assert!(row[field].is_string(), "no text {field} in {row}");
            }
        }
    }
    let ids: BTreeSet<_> = file["vectors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row["id"].as_u64())
        .collect();
    assert!(!ids.contains(&None), "a vector has no number");
    assert_eq!(
        Some(ids.len()),
        file["vectors"].as_array().map(Vec::len),
        "a number stands twice"
    );
    let opens = |row: &&Value| row["expect"] == "ok";
    let count = file["vectors"].as_array().into_iter().flatten().filter(opens).count();
    assert!(
        0 < count && count < ids.len(),
        "vectors that open and vectors that do not"
    );
}

/// All of src, by path without `src/` and `.rs`.
fn sources() -> BTreeMap<String, String> {
    fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).expect("a directory under src can be read") {
            let path = entry.expect("its entries can be read").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name in UTF-8");
            if path.is_dir() {
                walk(&path, &format!("{prefix}{name}/"), files);
            } else if let Some(name) = name.strip_suffix(".rs") {
                let text = fs::read_to_string(&path).expect("a source is UTF-8");
                files.insert(format!("{prefix}{name}"), text);
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    files
}

// ---- what is asked of a file

/// Place in the list and floor.
fn floor(module: &str) -> Option<(usize, Floor)> {
    FLOORS
        .iter()
        .flat_map(|(floor, modules)| modules.iter().map(move |module| (*module, *floor)))
        .enumerate()
        .find(|(_, (listed, _))| *listed == module)
        .map(|(at, (_, floor))| (at, floor))
}

/// Why `from` may not name `to`.
fn refusal(from: &str, to: &str) -> Option<String> {
    let parent = from.rsplit_once('/').map(|(parent, _)| parent);
    let of_one_module = parent == Some(to) && SPLIT.contains(&to);
    // The door to a child that stands higher, since it reads files and the clock.
    let is_door = (from, to) == ("revocation", "revocation/file");
    if from == to || of_one_module || is_door || EXCEPTIONS.contains(&(from, to)) {
        return None;
    }
    let Some((at, own)) = floor(from) else {
        return Some(format!("src/{from}.rs has no floor; give it a floor"));
    };
    let Some((target, other)) = floor(to) else {
        return Some(format!("`{to}` has no floor; give it a floor"));
    };
    if target > at || EXCEPTIONS.contains(&(to, from)) {
        return Some(format!("`{to}` lies above `{from}`"));
    }
    match (own, other) {
        (Floor::Column(one), Floor::Column(two)) if one != two => {
            Some(format!("`{to}` is of column {two} and `{from}` of column {one}"))
        }
        _ => None,
    }
}

fn check(file: &str, source: &str) -> Vec<String> {
    let Some((_, floor)) = floor(file) else {
        return vec![format!("src/{file}.rs: give it a floor")];
    };
    let all = tokens(source);
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: String| complaints.push(format!("src/{file}.rs:{line}: {what}"));
    for token in &all {
        if token.text == "unsafe" {
            complain(token.line, "`unsafe`".into());
        }
    }
    let tokens = without_tests(all);
    for window in tokens.windows(3) {
        let [a, b, c] = [0, 1, 2].map(|at| window[at].text.as_str());
        if [a, b, c] == [".", "unwrap", "("] {
            complain(
                window[1].line,
                "`unwrap`; use `expect` and say why it cannot fail".into(),
            );
        }
        if [a, b, c] == ["#", "[", "path"] || [a, b] == ["extern", "crate"] {
            complain(
                window[0].line,
                "files stand where their modules stand, crates have one name".into(),
            );
        }
    }
    if file == "token/aead" {
        for pair in tokens.windows(2) {
            if pair[1].text == "=" && ["=", "!"].contains(&pair[0].text.as_str()) {
                complain(
                    pair[0].line,
                    "a comparison whose time may tell where secrets differ; use `verify_truncated_left`".into(),
                );
            }
        }
    }
    if file != "time" {
        for token in &tokens {
            if ["SystemTime", "now_utc"].contains(&token.text.as_str()) {
                complain(
                    token.line,
                    format!("`{}`; only src/time.rs reads the clock", token.text),
                );
            }
        }
    }
    let in_column = matches!(floor, Floor::Column(_));
    for Named { line, path } in paths(file, &tokens) {
        let shown = path.join("::");
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let forbidden = |crates: &[&str]| crates.contains(&segments[0]);
        if file != "token/aead" && forbidden(CRYPTO) {
            complain(
                line,
                format!("`{shown}`; only src/aead.rs names the crypto crates"),
            );
        }
        if floor == Floor::Column(1) && forbidden(SERDE) {
            complain(line, format!("`{shown}`; column 1 knows no serde"));
        }
        if in_column && forbidden(WEB) {
            complain(line, format!("`{shown}`; the columns know no web framework"));
        }
        let ["crate", inside @ ..] = &segments[..] else {
            continue;
        };
        if in_column && matches!(inside, ["time", "now" | "*"]) {
            complain(line, format!("`{shown}`; in the columns the instant is a parameter"));
        }
        match module_of(inside) {
            Some(module) => {
                if let Some(why) = refusal(file, &module) {
                    complain(line, format!("`{shown}`: {why}"));
                }
            }
            None if ADAPTERS.contains(&file) && inside.first().is_some_and(|name| is_type(name)) => {}
            None => complain(
                line,
                format!("`{shown}`: name the module, not the crate's root; if it is a new one, give it a floor"),
            ),
        }
    }
    complaints
}

/// The command is a user of the library like any other, with one clock and no `unsafe`.
fn check_bin(file: &str, source: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for window in without_tests(tokens(source)).windows(3) {
        let Token { text, line } = &window[1];
        let next = window[2].text.as_str();
        let problem = match (text.as_str(), next) {
            ("unsafe", _) => "`unsafe`",
            ("unwrap" | "expect", "(") => "it ends the process without a sentence; return a `Failure`",
            ("path", "=") if window[0].text == "[" => "it takes files of the library; use its public items",
            ("SystemTime" | "now_utc", _) if file != "bin/sealed-session/main" => "only main.rs reads the clock",
            (name, _) if CRYPTO.contains(&name) => "only src/aead.rs names the crypto crates",
            _ => continue,
        };
        complaints.push(format!("src/{file}.rs:{line}: `{text}`: {problem}"));
    }
    complaints
}

/// The longest listed module that `segments` starts with.
fn module_of(segments: &[&str]) -> Option<String> {
    (1..=segments.len())
        .rev()
        .map(|length| segments[..length].join("/"))
        .find(|module| floor(module).is_some())
}

fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}

/// `lib.rs` holds docs, `mod` in floor order and `pub use`, and no logic.
fn check_lib(source: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let all = tokens(source);
    for token in &all {
        if ["fn", "unsafe", "macro_rules"].contains(&token.text.as_str()) {
            complaints.push(format!(
                "src/lib.rs:{}: `{}`; it holds no logic",
                token.line, token.text
            ));
        }
    }
    let mut highest = (0, String::new());
    for window in without_tests(all).windows(3) {
        let [
            Token { text: keyword, line },
            Token { text: name, .. },
            Token { text: end, .. },
        ] = window
        else {
            continue;
        };
        if keyword != "mod" || end != ";" {
            continue;
        }
        // A module stands where its children begin.
        let below = format!("{name}/");
        let modules = FLOORS.iter().flat_map(|(_, modules)| modules.iter());
        let place = modules.enumerate().find_map(|(at, module)| {
            let stands_here = module == name || module.starts_with(&below);
            stands_here.then_some(at)
        });
        match place {
            None => complaints.push(format!("src/lib.rs:{line}: `{name}`: give it a floor")),
            Some(at) if at < highest.0 => complaints.push(format!(
                "src/lib.rs:{line}: `{name}` lies below `{}`; list the modules in floor order",
                highest.1
            )),
            Some(at) => highest = (at, name.clone()),
        }
    }
    complaints
}

// ---- reading Rust, as far as this takes

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Identifiers, numbers, `::` and single characters; comments are dropped, every literal text becomes `""`.
fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let starts = |i: usize, what: &str| what.chars().enumerate().all(|(offset, c)| at(i + offset) == c);
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut tokens = Vec::new();
    let (mut i, mut line, mut counted) = (0, 1, 0);
    while i < text.len() {
        line += text[counted..i].iter().filter(|&&c| c == '\n').count();
        counted = i;
        let mut push = |text: String| tokens.push(Token { text, line });
        if starts(i, "//") {
            while i < text.len() && at(i) != '\n' {
                i += 1;
            }
        } else if starts(i, "/*") {
            let mut depth = 0;
            while i < text.len() {
                if starts(i, "/*") {
                    depth += 1;
                    i += 2;
                } else if starts(i, "*/") {
                    depth -= 1;
                    i += 2;
                } else {
                    i += 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else if at(i) == '"' {
            i += 1;
            while i < text.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
            push("\"\"".into());
        } else if at(i) == '\'' {
            if at(i + 1) == '\\' {
                i += 3;
                while i < text.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                push("\"\"".into());
            } else if at(i + 2) == '\'' {
                i += 3;
                push("\"\"".into());
            } else {
                // A lifetime or a label.
                i += 1;
                while is_word(at(i)) {
                    i += 1;
                }
            }
        } else if is_word(at(i)) {
            let start = i;
            while is_word(at(i)) {
                i += 1;
            }
            let word = String::from_iter(&text[start..i]);
            let hashes = (i..).take_while(|&i| at(i) == '#').count();
            let raw = ["r", "br", "cr"].contains(&word.as_str());
            if raw && at(i + hashes) == '"' {
                let end = format!("\"{}", "#".repeat(hashes));
                i += hashes + 1;
                while i < text.len() && !starts(i, &end) {
                    i += 1;
                }
                i += end.len();
                push("\"\"".into());
            } else if word == "r" && hashes == 1 {
                // A raw identifier: the next turn reads it.
                i += 1;
            } else {
                push(word);
            }
        } else if starts(i, "::") {
            i += 2;
            push("::".into());
        } else {
            if !at(i).is_whitespace() {
                push(at(i).into());
            }
            i += 1;
        }
    }
    tokens
}

fn texts(tokens: &[Token], from: usize) -> impl Iterator<Item = &str> {
    tokens.iter().skip(from).map(|token| token.text.as_str())
}

/// Leaves out every item, field or statement under `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let is = |at: usize, pattern: &[&str]| texts(&tokens, at).take(pattern.len()).eq(pattern.iter().copied());
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if is(at, &["#", "[", "cfg", "(", "test", ")", "]"]) || is(at, &["#", "[", "cfg", "(", "all", "(", "test", ","])
        {
            while is(at, &["#", "["]) {
                at = after_group(&tokens, at + 1);
            }
            at = after_item(&tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// After the bracket that closes the one at `at`.
fn after_group(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (offset, text) in texts(tokens, at).enumerate() {
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}

/// After the item that starts at `at`.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    const ITEMS: &[&str] = &[
        "pub", "fn", "mod", "use", "impl", "struct", "enum", "const", "static", "type", "trait", "async", "let",
    ];
    let item = texts(tokens, at).next().is_some_and(|first| ITEMS.contains(&first));
    // These may hold braces before their semicolon.
    let to_semicolon = texts(tokens, at)
        .take_while(|text| !["{", ";", "="].contains(text))
        .any(|text| ["use", "static", "let"].contains(&text));
    while let Some(text) = texts(tokens, at).next() {
        match text {
            ";" => return at + 1,
            "," if !item => return at + 1,
            ")" | "]" | "}" => return at,
            "{" if !to_semicolon => return after_group(tokens, at),
            "(" | "[" | "{" => at = after_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// A path as it is after resolving `self`, `super` and what the file imports: from `crate` or from a foreign crate.
#[derive(Debug, PartialEq)]
struct Named {
    line: usize,
    path: Vec<String>,
}

/// Every path that the file of module `file` names, imports first.
fn paths(file: &str, tokens: &[Token]) -> Vec<Named> {
    let is_name = |text: &str| text.starts_with(|c: char| c == '_' || c.is_alphabetic());
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut raw = Vec::new();
    // What a name that was imported from this crate stands for.
    let mut imports = BTreeMap::new();
    let mut here: Vec<String> = file.split('/').map(str::to_owned).collect();
    let mut closes = Vec::new();
    let (mut at, mut depth) = (0, 0);
    while at < tokens.len() {
        let line = tokens[at].line;
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if closes.last() == Some(&depth) {
                    closes.pop();
                    here.pop();
                }
            }
            "mod" if text(at + 2) == "{" => {
                here.push(text(at + 1).to_owned());
                closes.push(depth);
            }
            "use" if is_name(text(at + 1)) || ["::", "{"].contains(&text(at + 1)) => {
                let mut leaves = Vec::new();
                at = use_tree(tokens, at + 1, &[], &mut leaves);
                for Leaf { line, path, name } in leaves {
                    let path = absolute(&here, path);
                    if path[0] == "crate" {
                        imports.insert(name, path.clone());
                    }
                    raw.push(Named { line, path });
                }
                continue;
            }
            first if is_name(first) && text(at + 1) == "::" => {
                let foreign = at >= 1 && text(at - 1) == "::";
                let inner = foreign && at >= 2 && (is_name(text(at - 2)) || [">", "}"].contains(&text(at - 2)));
                if !inner {
                    let mut path = vec![first.to_owned()];
                    while text(at + 1) == "::" && is_name(text(at + 2)) {
                        path.push(text(at + 2).to_owned());
                        at += 2;
                    }
                    raw.push(Named {
                        line,
                        path: if foreign { path } else { absolute(&here, path) },
                    });
                }
            }
            _ => {}
        }
        at += 1;
    }
    for Named { path, .. } in &mut raw {
        if let Some(import) = imports.get(&path[0]) {
            path.splice(..1, import.iter().cloned());
        }
    }
    raw
}

struct Leaf {
    line: usize,
    path: Vec<String>,
    /// What it is called in the file.
    name: String,
}

/// Reads one use tree and returns where it ends.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], leaves: &mut Vec<Leaf>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut path = prefix.to_vec();
    loop {
        match text(at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while !["}", ""].contains(&text(at)) {
                    at = use_tree(tokens, at, &path, leaves);
                    if text(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" | "" | "as" => break,
            segment => {
                path.push(segment.to_owned());
                at += 1;
            }
        }
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if text(at) == "as" {
        name = text(at + 1).to_owned();
        at += 2;
    }
    if !path.is_empty() {
        leaves.push(Leaf { line, path, name });
    }
    // A semicolon ends the tree and belongs to it; commas and braces belong to the tree around.
    if text(at) == ";" { at + 1 } else { at }
}

/// `path` from `crate` on, if it starts at `crate`, `self` or `super`.
fn absolute(here: &[String], path: Vec<String>) -> Vec<String> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    let (base, rest) = match path[0].as_str() {
        "self" => {
            let ups = path.iter().skip(1).take_while(|segment| *segment == "super").count();
            (&here[..here.len().saturating_sub(ups)], &path[1 + ups..])
        }
        "super" => (&here[..here.len().saturating_sub(ups)], &path[ups..]),
        _ => return path,
    };
    let start = [String::from("crate")];
    start.iter().chain(base).chain(rest).cloned().collect()
}

// ---- the checker itself

#[track_caller]
fn finds(file: &str, source: &str, complaint: &str) {
    let complaints = check(file, source);
    assert!(
        complaints.len() == 1 && complaints[0].contains(complaint),
        "{complaints:?} for {source}"
    );
}

#[track_caller]
fn allows(file: &str, source: &str) {
    assert_eq!(check(file, source), [""; 0], "for {source}");
}

#[test]
fn an_upward_import_is_found() {
    finds("key", "use crate::token::PlacedRing;", "`token` lies above `key`");
    finds(
        "key",
        "\n\nfn f() { crate::token::seal(); }",
        "src/keys/key.rs:3: `crate::token::seal`",
    );
    finds(
        "token/aead",
        "use super::envelope::Head;",
        "`token/envelope` lies above",
    );
    finds("token/aead", "use super::*;", "`token` lies above");
    finds("ids", "use crate::error::KeyError;", "`error` lies above");
    finds(
        "keyring",
        "use crate::{error::KeyError, key::{self, Key}, day_keys::Place};",
        "`day_keys` lies above",
    );
    finds(
        "sessions/table",
        "use super::builder::Builder;",
        "`sessions/builder` lies above",
    );
    finds("sealer", "pub(crate) use crate::http as web;", "`http` lies above");
    finds(
        "error",
        "mod inner { use super::super::time::DAY; }",
        "`time` lies above",
    );
    finds(
        "key",
        "impl From<crate::keyring::Role> for Key {}",
        "`keyring` lies above",
    );
    finds(
        "key",
        "fn f<'a>(c: char) -> &'a str { if c == '\"' { crate::keyring::f() } }",
        "`keyring` lies above",
    );
}

#[test]
fn an_import_across_columns_is_found() {
    finds(
        "session",
        "use crate::key::Key;",
        "`key` is of column 1 and `session` of column 2",
    );
    finds("cookie", "use crate::session::lifetime::Idle;", "column 2");
    finds(
        "session/lifetime",
        "use crate::{time::DAY, token::envelope::Frame};",
        "column 1",
    );
    finds("headers", "use crate::revocation::CutOff;", "column 2");
}

#[test]
fn what_lies_below_may_be_used() {
    allows("error/keys", "use crate::ids::KeyId;");
    allows(
        "token",
        "use crate::time::LEEWAY; use self::envelope::Head; fn f() { envelope::g(); aead::TAG; }",
    );
    allows("token/envelope", "use super::aead::TAG;");
    allows("session/event", "use crate::ids::SessionId; use crate::error::Reason;");
    allows(
        "sessions/opening",
        "use super::{Sessions, table::Table}; use crate::{cookie, token};",
    );
    allows(
        "sessions",
        "use crate::{cookie::scan, key::Key, session::Session, time::now}; fn f() { now() }",
    );
    allows(
        "tower",
        "use crate::Sessions; use crate::http::apply; use tower_layer::Layer; use ::http::Request;",
    );
    allows(
        "keyring",
        "use time::OffsetDateTime; use std::{fmt::{self, Write as _}, io}; mod inner { use super::Entry; }",
    );
    allows(
        "key",
        "pub(crate) fn f() -> impl Iterator<Item = u8> + use<'_> { Vec::<u8>::new().into_iter() }",
    );
}

#[test]
fn comments_texts_and_tests_are_not_read() {
    allows(
        "key",
        "// use crate::token::PlacedRing;\n/* crate::token::f() /* nested */ crate::http::g() */",
    );
    allows(
        "key",
        "//! use crate::token::X;\n/// unsafe { crate::token::f().unwrap() }\nfn f() {}",
    );
    allows(
        "key",
        r####"const A: &str = "crate::token::f \" crate::x"; const B: &str = r##"crate::token::f "# "##;"####,
    );
    allows(
        "key",
        "#[cfg(test)]\nmod tests { use crate::token::PlacedRing; fn f() { g().unwrap(); } }",
    );
    allows("key", "#[cfg(test)] use crate::{token::A, http::B};");
    allows("key", "struct A { #[cfg(test)] a: crate::token::A, b: u8 }");
    allows("token", "#[cfg(test)]\n#[path = \"token/laws.rs\"]\nmod laws;");
    // What is not a test's is read, wherever it stands.
    finds(
        "key",
        "#[cfg(test)] mod tests { } use crate::token::A;",
        "`token` lies above",
    );
    finds(
        "key",
        "#[cfg(test)] use crate::{token::A}; use crate::token::B;",
        "`crate::token::B`",
    );
    finds(
        "key",
        "struct A { #[cfg(test)] a: u8, b: crate::token::A }",
        "`token` lies above",
    );
    finds("key", "#[cfg(not(test))] use crate::token::A;", "`token` lies above");
}

#[test]
fn crates_and_clocks_have_their_rooms() {
    allows(
        "token/aead",
        "use hkdf::hmac::Mac; use aes_gcm::{AesGcm, Tag}; fn f() { getrandom::fill(b); }",
    );
    finds("key", "use sha2::Sha256;", "only src/aead.rs");
    finds("sealer", "fn f() { ::getrandom::fill(b) }", "only src/aead.rs");
    finds("token", "use {aes_gcm as gcm, std::fmt};", "only src/aead.rs");
    finds(
        "key",
        "#[derive(serde::Serialize)] struct A;",
        "column 1 knows no serde",
    );
    finds(
        "token/envelope",
        "fn f() { serde_json::to_vec(x) }",
        "column 1 knows no serde",
    );
    allows("session", "use serde::Serialize;");
    allows("error", "use serde_json::Error;");
    finds("headers", "use http::HeaderMap;", "no web framework");
    finds("cookie", "impl From<::http::HeaderValue> for A {}", "no web framework");
    finds("session", "use tower_layer::Layer;", "no web framework");
    allows(
        "time",
        "fn f() { std::time::SystemTime::now(); OffsetDateTime::now_utc() }",
    );
    finds(
        "sealer",
        "use std::time::SystemTime;",
        "only src/time.rs reads the clock",
    );
    finds(
        "session",
        "fn f() { OffsetDateTime::now_utc() }",
        "only src/time.rs reads the clock",
    );
    finds(
        "session",
        "use crate::time::{LEEWAY, now};",
        "the instant is a parameter",
    );
    finds("cookie", "fn f() { crate::time::now() }", "the instant is a parameter");
    finds(
        "token",
        "use crate::time::{self, DAY}; fn f() { time::now() }",
        "the instant is a parameter",
    );
    finds(
        "token",
        "use crate::time as clock; fn f() { clock::now() }",
        "the instant is a parameter",
    );
    finds("revocation", "use crate::time::*;", "the instant is a parameter");
}

#[test]
fn secrets_are_compared_in_constant_time() {
    let aead = &sources()["token/aead"];
    assert!(
        aead.contains(".verify_truncated_left(claimed)"),
        "how are checks compared?"
    );
    for source in ["fn f() { a == b }", "fn f() { *self.expand::<N>(info) != *claimed }"] {
        finds("token/aead", source, "use `verify_truncated_left`");
    }
    allows(
        "token/aead",
        "fn f() { let ok = a >= b && c <= d; match ok { true => {} } }",
    );
}

#[test]
fn loopholes_are_closed() {
    finds("sealer", "fn f() { unsafe { g() } }", "`unsafe`");
    finds(
        "sealer",
        "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }",
        "`unsafe`",
    );
    finds("sealer", "fn f() { g()\n.unwrap() }", "src/sessions/sealer.rs:2: `unwrap`");
    allows("sealer", "fn f() { g().unwrap_or(1); h.unwrap_or_default() }");
    finds(
        "key",
        "#[path = \"token.rs\"] mod other;",
        "files stand where their modules stand",
    );
    finds("surprise", "", "give it a floor");
    finds("sealer", "use crate::surprise::A;", "give it a floor");
    finds("sealer", "use crate::Key;", "not the crate's root");
    finds("tower", "use crate::surprise::A;", "give it a floor");
}

#[test]
fn lib_lists_its_modules_in_floor_order_and_holds_no_logic() {
    let whole = "//! fn\nmod error;\n#[cfg(test)] mod zoo;\nmod ids;\nmod time;\nmod token;\nmod key;\nmod day_keys;\nmod session;\n\
                 #[cfg(feature = \"http\")]\npub mod http;\npub use key::Key;";
    assert_eq!(check_lib(whole), [""; 0]);
    let found = |source: &str, complaint: &str| {
        let complaints = check_lib(source);
        assert!(
            complaints.len() == 1 && complaints[0].contains(complaint),
            "{complaints:?}"
        );
    };
    found("mod key;\nmod token;", "src/lib.rs:2: `token` lies below `key`");
    found("mod sealer;\nmod cookie;", "`cookie` lies below `sealer`");
    found("mod surprise;", "give it a floor");
    found("pub fn f() {}", "no logic");
}

#[test]
fn the_command_is_checked_too() {
    let file = "bin/sealed-session/ring";
    for (source, finds) in [
        ("fn f() { x.unwrap() }", "without a sentence"),
        ("fn f() { let now = OffsetDateTime::now_utc(); }", "only main.rs"),
        ("use hkdf::Hkdf; fn f() {}", "crypto crates"),
        ("fn f() { unsafe { g() } }", "`unsafe`"),
        ("#[path = \"../../key.rs\"] mod key; fn f() {}", "public items"),
    ] {
        let complaints = check_bin(file, source);
        assert!(
            complaints.len() == 1 && complaints[0].contains(finds),
            "{complaints:?} for {source}"
        );
    }
    assert_eq!(
        check_bin("bin/sealed-session/main", "fn f() { let now = now_utc(); }"),
        Vec::<String>::new()
    );
    assert!(sources().contains_key("bin/sealed-session/main"));
}
