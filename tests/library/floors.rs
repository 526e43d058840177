//! The floors of `src/`: a module imports only from its own floor and from lower ones. One file names the cryptography
//! crates, one reads the clock, one compares secrets. The compiler checks none of this.

use std::fs;
use std::path::{Path, PathBuf};

/// The lowest floor first. A name is a file, or a folder with its parent file. Names of one floor may import each other.
const FLOORS: &[&[&str]] = &[
    &["aead", "buffer", "error", "few", "files", "ids", "time"],
    &["keys"],
    &["token"],
    &["session"],
    &["revocation"],
    &["headers"],
    &["sessions"],
    &["device"],
    &["adapters"],
    &["testing"],
    &["guide"],
];

/// Words of code, and the only files and folders that may have them.
const ONLY_IN: &[(&[&str], &[&str])] = &[
    (&["aes_gcm::", "getrandom::", "hkdf::", "p256::", "sha2::"], &["aead"]),
    (&["SystemTime", "now_utc"], &["time"]),
    (
        &["now()"],
        &["device", "revocation/file", "sessions", "testing", "time"],
    ),
    (
        &["actix_web::", "axum_core::", "tower_layer::", "tower_service::"],
        &["adapters"],
    ),
    // Ways around this check.
    (&["super::super", "extern crate", "#[path"], &[]),
];

#[test]
fn a_module_imports_only_from_its_own_floor_and_lower_ones() {
    let mut imports = 0;
    for (module, lines) in sources() {
        let floor = floor_of(&module).unwrap_or_else(|| panic!("give src/{module}.rs a floor in FLOORS"));
        for (number, line) in &lines {
            for named in line.split("crate::").skip(1) {
                let root = named.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                // Items that the root re-exports begin with a capital, and are for adapters.
                let allowed = floor_of(root).map_or(module.starts_with("adapters"), |named| named <= floor);
                assert!(
                    allowed,
                    "src/{module}.rs:{number}: `crate::{root}` is on a higher floor"
                );
                imports += 1;
            }
        }
    }
    assert!(imports > 100, "only {imports} imports were found");
}

#[test]
fn one_place_names_the_cryptography_reads_the_clock_and_knows_frameworks() {
    let sources = sources();
    for &(words, places) in ONLY_IN {
        let (mut here, mut elsewhere) = (0, Vec::new());
        for (module, lines) in &sources {
            let uses = lines
                .iter()
                .any(|(_, line)| words.iter().any(|word| line.contains(word)));
            let inside = places
                .iter()
                .any(|place| module == place || module.starts_with(&format!("{place}/")));
            here += usize::from(uses && inside);
            elsewhere.extend((uses && !inside).then_some(module));
        }
        assert!(
            elsewhere.is_empty(),
            "{words:?} are for {places:?} alone: {elsewhere:?}"
        );
        assert!(here > 0 || places.is_empty(), "{places:?} use nothing of {words:?}");
    }
}

/// An `==` returns at the first difference, and its time tells where that is.
#[test]
fn secrets_are_compared_in_constant_time() {
    let aead = include_str!("../../src/aead.rs").split("#[cfg(test)]").next().unwrap();
    assert!(aead.contains("verify_truncated_left"));
    assert!(
        !aead.contains(" == ") && !aead.contains(" != "),
        "compare secrets with `verify_truncated_left`"
    );
}

fn floor_of(module: &str) -> Option<usize> {
    let root = module.split('/').next()?;
    FLOORS.iter().position(|floor| floor.contains(&root))
}

/// Every file of the library, by its path without `src/` and `.rs`, with its numbered lines of code before its tests.
fn sources() -> Vec<(String, Vec<(usize, String)>)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let mut modules = Vec::new();
    for path in files(&src) {
        let module = path.strip_prefix(&src).expect("it was found there").with_extension("");
        let module = module.to_str().expect("names are UTF-8").replace('\\', "/");
        // The root re-exports from every floor.
        if module == "lib" || ["laws", "tests", "vectors"].iter().any(|test| module.ends_with(test)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let numbered = (1..).zip(before_tests.lines().map(str::to_owned));
        let code = numbered.filter(|(_, line)| !line.trim_start().starts_with("//"));
        modules.push((module, code.collect()));
    }
    modules
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("directories of src can be read");
    let paths = entries.map(|entry| entry.expect("their entries too").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}
