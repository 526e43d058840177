//! The pages of docs/migrating show what really changes between the releases.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// A block follows the line `<!-- diff jar/old.rs jar/beside.rs -->` or `<!-- file iron/old.js -->`, with paths below
/// `src`. With `WRITE=1` it is written.
#[test]
fn the_blocks_on_the_pages_are_those_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/migrating");
    let (mut differences, mut files) = (0, 0);
    for page in fs::read_dir(folder).unwrap() {
        let page = page.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        let mut written = String::new();
        let mut rest = &*text;
        while let Some(at) = [rest.find("<!-- diff "), rest.find("<!-- file ")]
            .into_iter()
            .flatten()
            .min()
        {
            let (before, block) = rest.split_at(at);
            let (comment, block) = block.split_once(" -->\n").expect("the comment ends");
            let (language, real) = match comment.split(' ').collect::<Vec<_>>()[..] {
                [_, "diff", from, to] => {
                    differences += 1;
                    ("diff", difference(from, to))
                }
                [_, "file", path] => {
                    files += 1;
                    (language(path), fs::read_to_string(Path::new(SRC).join(path)).unwrap())
                }
                _ => panic!("{comment}"),
            };
            let start = format!("```{language}\n");
            let block = block.strip_prefix(&start).expect("a block of this language follows");
            let (shown, after) = block.split_once("```\n").expect("the block ends");
            if env::var_os("WRITE").is_none() {
                let page = page.display();
                assert!(
                    shown == real,
                    "{page}: {comment} is another: WRITE=1 cargo test -p migrating"
                );
            }
            written += &format!("{before}{comment} -->\n{start}{real}```\n");
            rest = after;
        }
        written += rest;
        if env::var_os("WRITE").is_some() {
            fs::write(page, written).unwrap();
        }
    }
    assert!(
        differences >= 3 && files >= 2,
        "only {differences} differences and {files} files were found"
    );
}

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

fn language(path: &str) -> &'static str {
    match path.rsplit_once('.').expect("a file name with an ending").1 {
        "rs" => "rust",
        "js" => "javascript",
        ending => panic!("name the language of .{ending} here"),
    }
}

fn difference(from: &str, to: &str) -> String {
    let mut command = Command::new("diff");
    command.args(["--unified=2", from, to]).current_dir(SRC);
    let output = String::from_utf8(command.output().expect("diff runs").stdout).unwrap();
    // The first two lines name the files, with the times of the last change.
    output.splitn(3, '\n').nth(2).expect("the files differ").to_owned()
}
