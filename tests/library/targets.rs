//! Every test in the repository runs: cargo does not look for those of a package whose folder is `tests`.

use std::fs;
use std::path::Path;

#[test]
fn each_file_of_tests_is_in_the_list_of_its_package() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for package in ["", "../cli/tests", "../redis/tests"].map(|package| tests.join(package)) {
        let list = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        for entry in fs::read_dir(&package).unwrap() {
            let path = entry.unwrap().path();
            let main = if path.is_dir() { path.join("main.rs") } else { path };
            if main.extension().is_none_or(|extension| extension != "rs") || !main.exists() {
                continue;
            }
            let name = main
                .strip_prefix(&package)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            assert!(
                list.contains(&format!("\npath = \"{name}\"\n")),
                "{name} is not in {list}"
            );
            files += 1;
        }
    }
    assert!(files >= 8, "only {files} files were found");
}
