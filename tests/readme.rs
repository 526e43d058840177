//! Claims of the README that its own programs do not show.

use std::collections::BTreeSet;
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
