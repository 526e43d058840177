//! The floors of `src/`: a folder imports only folders that stand above it in FLOORS, and one file each names the
//! cryptography crates, reads the clock and compares secrets. The compiler objects to none of this.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A floor is a file or a folder with its parent file; what stands on one floor may import each other.
const FLOORS: &[&[&str]] = &[
    &["aead", "buffer", "error", "files", "ids", "time"],
    &["keys"],
    &["token"],
    &["session"],
    &["revocation"],
    &["headers"],
    &["sessions"],
    &["adapters"],
    &["testing"],
];

/// Words of code that only these files or folders may have.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("aead", &["aes_gcm::", "getrandom::", "hkdf::", "sha2::"]),
    ("time", &["SystemTime", "now_utc"]),
    (
        "adapters",
        &["actix_web::", "axum_core::", "tower_layer::", "tower_service::"],
    ),
];

#[test]
fn a_folder_imports_only_what_stands_above_it() {
    let mut imports = 0;
    for (module, lines) in sources() {
        let Some(floor) = floor_of(&module) else {
            panic!("src/{module}.rs stands on no floor; give it one in FLOORS");
        };
        for (number, line) in &lines {
            for named in line.split("crate::").skip(1) {
                let root: String = named.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
                // Items that the root re-exports begin with a capital, and are for adapters.
                let above = floor_of(&root).map_or(module.starts_with("adapters"), |named| named <= floor);
                assert!(
                    above,
                    "src/{module}.rs:{number}: `crate::{root}` stands on a higher floor"
                );
                imports += 1;
            }
        }
    }
    assert!(
        imports > 100,
        "only {imports} imports were found: is this still how they are written?"
    );
}

#[test]
fn one_place_names_the_cryptography_reads_the_clock_and_knows_frameworks() {
    let sources = sources();
    let users = |word: &str| {
        let found = sources
            .iter()
            .filter(|(_, lines)| lines.iter().any(|(_, line)| line.contains(word)));
        found.map(|(module, _)| module.clone()).collect::<Vec<_>>()
    };
    for &(place, words) in ONLY_IN {
        let at_home = |module: &String| module.split('/').next() == Some(place);
        for word in words {
            assert!(
                users(word).iter().all(at_home),
                "`{word}` belongs into src/{place} alone: {:?}",
                users(word)
            );
        }
        assert!(
            words.iter().any(|word| !users(word).is_empty()),
            "src/{place} uses nothing of {words:?}"
        );
    }
}

/// An `==` that ends at the first difference tells by its time where that is.
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

/// Every file of the library by its path without `src/` and `.rs`, and of each the numbered lines of code before its tests.
fn sources() -> Vec<(String, Vec<(usize, String)>)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = Vec::new();
    for path in files(&src) {
        let module = path.strip_prefix(&src).expect("it was found there").with_extension("");
        let module = module.to_str().expect("names are UTF-8").replace('\\', "/");
        // The root re-exports from every floor.
        if module == "lib" || ["laws", "tests", "vectors"].iter().any(|test| module.ends_with(test)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let code = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .enumerate();
        let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
        modules.push((module, code.map(|(index, line)| (index + 1, line.to_owned())).collect()));
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
