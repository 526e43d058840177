//! Claims of the README that its own programs do not show.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The crates that the bare core is built from, itself included, as `cargo tree` names them.
fn core_crates() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--edges",
            "normal",
            "--no-default-features",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_readme_counts_the_crates_of_the_bare_core() {
    let crates = core_crates();
    let claim = format!("{} crates in all, itself included", crates.len());
    assert!(
        include_str!("../README.md").contains(&claim),
        "the tree has {claim}: {crates:?}"
    );
}

#[test]
fn the_core_depends_on_nothing_but_the_list() {
    let manifest = include_str!("../Cargo.toml");
    let core: BTreeSet<&str> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains("optional = true"))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    let list = [
        "aes-gcm",
        "base64",
        "getrandom",
        "hkdf",
        "memchr",
        "serde",
        "serde_json",
        "sha2",
        "time",
        "zeroize",
    ];
    assert_eq!(core, BTreeSet::from(list));
    // What only an adapter or a test needs must not come in through a core dependency either.
    let crates = core_crates();
    for foreign in [
        "http",
        "tower-service",
        "axum-core",
        "tokio",
        "tracing",
        "proptest",
        "rand",
        "syn",
        "serde_derive",
    ] {
        assert!(!crates.contains(foreign), "{foreign}");
    }
}

#[test]
fn the_readme_says_of_speed_what_the_benchmark_printed() {
    let Ok(results) = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md")) else {
        // The package has neither benchmarks nor their results.
        return;
    };
    let printed: BTreeSet<&str> = results.lines().collect();
    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("\n## Speed\n").expect("a section on speed");
    let section = section.split("\n## ").next().unwrap_or_default();
    let quoted: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with('|') || line.starts_with("- command") || line.starts_with("- machine"))
        .collect();
    assert!(quoted.len() > 8, "{quoted:?}");
    for line in quoted {
        assert!(printed.contains(line), "not in benches/RESULTS.md: {line}");
    }
}
