//! The pages of docs/migrating show what really changes between the releases.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// A block follows the line `<!-- diff jar/old.rs jar/beside.rs -->`, with paths below `src`. With `WRITE=1` it is written.
#[test]
fn the_differences_on_the_pages_are_those_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/migrating");
    let mut compared = 0;
    for page in fs::read_dir(folder).unwrap() {
        let page = page.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        let mut written = String::new();
        let mut rest = &*text;
        while let Some(at) = rest.find("<!-- diff ") {
            let (before, block) = rest.split_at(at);
            let (comment, block) = block.split_once(" -->\n```diff\n").expect("a block follows");
            let (shown, after) = block.split_once("```\n").expect("the block ends");
            let (from, to) = comment["<!-- diff ".len()..].split_once(' ').expect("two files");
            let difference = difference(from, to);
            if env::var_os("WRITE").is_none() {
                let page = page.display();
                assert!(
                    shown == difference,
                    "{page}: {from} and {to} differ otherwise: WRITE=1 cargo test -p migrating"
                );
            }
            written += &format!("{before}{comment} -->\n```diff\n{difference}```\n");
            rest = after;
            compared += 1;
        }
        written += rest;
        if env::var_os("WRITE").is_some() {
            fs::write(page, written).unwrap();
        }
    }
    assert!(compared >= 2, "only {compared} blocks were found");
}

fn difference(from: &str, to: &str) -> String {
    let mut command = Command::new("diff");
    command
        .args(["--unified=2", from, to])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let output = String::from_utf8(command.output().expect("diff runs").stdout).unwrap();
    // The first two lines name the files, with the times of the last change.
    output.splitn(3, '\n').nth(2).expect("the files differ").to_owned()
}
