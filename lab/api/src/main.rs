//! The public API of `sealed-session`, feature by feature, and the foreign crates in it.
//!
//! Without an argument it compares: the listing in `public-api.txt` must be that of the source, a feature may only add
//! items, the items may only name the crates of `SECTIONS`, and each method of the types of `examples` must have an
//! example of its own. With `--write` it writes the listing first.

mod examples;
mod listing;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use listing::{differences, foreign_crates, normalised};

/// One feature, the features that it turns on, and the crates whose items its users have to name.
struct Section {
    feature: &'static str,
    includes: &'static [&'static str],
    crates: &'static [&'static str],
}

/// A crate that is named here cannot get a new major version without a new major version of this crate.
const SECTIONS: [Section; 11] = [
    // `std` means `core` and `alloc` too. serde: the bounds of a session's type. time: `OffsetDateTime`.
    Section {
        feature: "",
        includes: &[],
        crates: &["serde_core", "std", "time"],
    },
    Section {
        feature: "http",
        includes: &[],
        crates: &["http", "std"],
    },
    // http: the request and response of a service. pin_project_lite: a hidden bound of `Unpin`, which users never name.
    Section {
        feature: "tower",
        includes: &["http"],
        crates: &["http", "pin_project_lite", "std", "tower_layer", "tower_service"],
    },
    Section {
        feature: "axum",
        includes: &["http", "tower"],
        crates: &["axum_core", "http", "std"],
    },
    // actix_http and actix_service: known to users as items of actix_web, which has them in its own public API.
    Section {
        feature: "actix",
        includes: &[],
        crates: &["actix_http", "actix_service", "actix_web", "pin_project_lite", "std"],
    },
    Section {
        feature: "device",
        includes: &[],
        crates: &["std", "time"],
    },
    // What the two adapters have with it.
    Section {
        feature: "device,axum",
        includes: &["http", "tower", "axum", "device"],
        crates: &["axum_core", "http", "std", "tower_service"],
    },
    Section {
        feature: "device,actix",
        includes: &["actix", "device"],
        crates: &["actix_http", "actix_web", "http", "std"],
    },
    Section {
        feature: "cookie",
        includes: &[],
        crates: &["std"],
    },
    Section {
        feature: "tracing",
        includes: &[],
        crates: &[],
    },
    Section {
        feature: "testing",
        includes: &[],
        crates: &["std", "time"],
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = here.join("public-api.txt");
    let mut sections: Vec<BTreeSet<String>> = Vec::new();
    let mut text = String::from(HEADER);
    let mut failures = Vec::new();
    for section in &SECTIONS {
        let mut lines = public_items(&rustdoc_json(
            here,
            &["--no-default-features", "--features", section.feature],
        )?)?;
        for (other, included) in SECTIONS.iter().zip(&sections) {
            if other.feature.is_empty() || section.includes.contains(&other.feature) {
                let missing = included.difference(&lines).map(String::as_str).collect::<Vec<_>>();
                if !missing.is_empty() {
                    failures.push(format!(
                        "feature {:?} takes away:\n{}",
                        section.feature,
                        missing.join("\n")
                    ));
                }
                lines.retain(|line| !included.contains(line));
            }
        }
        let crates: BTreeSet<&str> = lines.iter().flat_map(|line| foreign_crates(line)).collect();
        let allowed = BTreeSet::from_iter(section.crates.iter().copied());
        if crates != allowed {
            failures.push(format!(
                "feature {:?} names the foreign crates {crates:?}, but SECTIONS says {allowed:?}",
                section.feature
            ));
        }
        text.push_str(&match section.feature {
            "" => "\n# without a feature\n".to_owned(),
            feature => format!("\n# added by feature {feature}\n"),
        });
        lines.iter().for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
        sections.push(lines);
    }
    let union: BTreeSet<String> = sections.into_iter().flatten().collect();
    let json = rustdoc_json(here, &["--all-features"])?;
    let all = public_items(&json)?;
    if all != union {
        let list = differences(&lines_of(&union), &lines_of(&all));
        failures.push(format!("all features together are not the sum of each alone:\n{list}"));
    }
    let documented = serde_json::from_slice(&fs::read(&json)?).map_err(unknown_format)?;
    let without_example = examples::problems(&documented);
    if !without_example.is_empty() {
        failures.push(format!(
            "each method has an example that shows what this method changes, but:\n{}",
            without_example.join("\n")
        ));
    }
    if env::args().nth(1).as_deref() == Some("--write") {
        fs::write(&written, &text)?;
    }
    let kept = fs::read_to_string(&written)?;
    if kept != text {
        failures.push(format!(
            "the public API differs from lab/api/public-api.txt:\n{}\nIf this is meant: {UPDATE}",
            differences(&kept, &text)
        ));
    }
    if failures.is_empty() {
        println!("{} public items, as written in lab/api/public-api.txt", all.len());
        return Ok(());
    }
    Err(failures.join("\n\n").into())
}

/// The file in which rustdoc describes the library with these features. The next call writes it anew.
fn rustdoc_json(here: &Path, features: &[&str]) -> Result<PathBuf, Box<dyn Error>> {
    let target = target_directory(here);
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        // rustdoc's JSON is unstable: a stable compiler writes it with this variable.
        .env("RUSTC_BOOTSTRAP", "1")
        // A directory of its own, because the variable makes cargo build dependencies anew.
        .arg("rustdoc")
        .args(["--quiet", "--locked", "--lib", "--manifest-path"])
        .arg(here.join("../../Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(features)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .status()?;
    if !status.success() {
        return Err(format!("cargo rustdoc {features:?} failed").into());
    }
    Ok(target.join("doc/sealed_session.json"))
}

/// The public items, one line each. Implementations that the compiler adds would be most of the list and say little; a
/// test of the library checks the auto traits that matter (`tests/library/auto_traits.rs`).
fn public_items(json: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(unknown_format)?;
    let lines = api.items().map(|item| normalised(&item.to_string()));
    // Pages of documentation, which need several features and are no API.
    Ok(lines
        .filter(|line| !line.starts_with("pub mod sealed_session::guide"))
        .collect())
}

fn unknown_format(error: impl Error) -> String {
    format!(
        "{error}: this compiler writes another format of rustdoc's JSON; update public-api and rustdoc-types in lab/api"
    )
}

fn target_directory(here: &Path) -> PathBuf {
    let base = env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("../../target"), PathBuf::from);
    base.join("rustdoc-json")
}

fn lines_of(lines: &BTreeSet<String>) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

const UPDATE: &str = "cargo run -p api -- --write";

const HEADER: &str = "\
# The public API of sealed-session. Written by `cargo run -p api -- --write`.
# A line that goes or changes breaks programs that use it: it needs a new minor version before 1.0, a new major version after.
";
