use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{DOCS, FILES, Site};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl Site {
    /// Every tracked file, and whether manifests say where they are.
    pub fn of_repository(root: &Path) -> Result<Self> {
        let mut site = Self::default();
        let paths = output(Command::new("git").current_dir(root).args(["ls-files", "-z"]))?;
        for path in String::from_utf8(paths)?.split_terminator('\0') {
            // A file that is deleted but still in the index is no place to lead to.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            let text = String::from_utf8(bytes).unwrap_or_default();
            site.file(path, &text);
            if path.ends_with("package.json") {
                site.npm(path, &serde_json::from_str(&text)?);
            }
        }
        let metadata = metadata(root)?;
        published(&metadata).for_each(|package| site.crates_io(package));
        Ok(site)
    }

    /// npm resolves the links of a README from this repository and directory.
    pub fn npm(&mut self, path: &str, manifest: &Value) {
        let (folder, repository) = (path.trim_end_matches("/package.json"), &manifest["repository"]);
        let right =
            repository["url"] == format!("git+{}.git", repository_address()) && repository["directory"] == folder;
        if manifest["private"] != true && !right {
            self.dead
                .push(format!("{path}:1: {repository}: npm does not find the README there"));
        }
    }

    /// crates.io resolves them from this repository and the folder of the package.
    pub fn crates_io(&mut self, package: &Value) {
        if package["repository"] != repository_address() || package["readme"] != "README.md" {
            let place = format!("{}: {}", package["name"], package["repository"]);
            self.dead
                .push(format!("{place}: crates.io does not find the README there"));
        }
    }

    /// Builds the documentation as docs.rs does, each package for itself.
    pub fn build_documentation(&mut self, root: &Path) -> Result<()> {
        let metadata = metadata(root)?;
        // The folder in which lab/api has its documentation: the dependencies are built already.
        let target = Path::new(metadata["target_directory"].as_str().unwrap_or("target")).join("rustdoc-json");
        let pages = target.join("doc");
        for package in published(&metadata).filter(|package| package["targets"][0]["kind"][0] == "lib") {
            let name = package["name"].as_str().unwrap_or_default();
            // Pages of another package or of earlier days are not on docs.rs either.
            if pages.exists() {
                fs::remove_dir_all(&pages)?;
            }
            let mut cargo = Command::new(env!("CARGO"));
            cargo
                .current_dir(root)
                .args(["rustdoc", "--quiet", "--locked", "--lib", "--package", name]);
            cargo.arg("--target-dir").arg(&target);
            if package["metadata"]["docs"]["rs"]["all-features"] == true {
                cargo.arg("--all-features");
            }
            cargo.args(["--", "--cfg", "docsrs", "-Zunstable-options", "--extern-html-root-url"]);
            cargo.arg(format!("sealed_session={DOCS}/latest"));
            // docs.rs has a nightly compiler; with this variable a stable one takes the same flags. Other packages, whose
            // features .ci/run may unify, are not there.
            cargo
                .env("RUSTC_BOOTSTRAP", "1")
                .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
            output(&mut cargo)?;
            let package = name.trim_start_matches("sealed-session");
            self.folder(package, &pages, &pages)?;
            if !self.aliases.contains_key(&format!("{DOCS}{package}")) {
                return Err(format!("rustdoc wrote no index.html for {name}").into());
            }
        }
        Ok(())
    }

    fn folder(&mut self, package: &str, pages: &Path, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.folder(package, pages, &path)?;
            } else {
                let text = String::from_utf8(fs::read(&path)?).unwrap_or_default();
                self.documentation(package, &path.strip_prefix(pages)?.to_string_lossy(), &text);
            }
        }
        Ok(())
    }
}

fn repository_address() -> &'static str {
    FILES.trim_end_matches("/blob/main")
}

fn metadata(root: &Path) -> Result<Value> {
    let arguments = ["metadata", "--no-deps", "--locked", "--format-version", "1"];
    Ok(serde_json::from_slice(&output(
        Command::new(env!("CARGO")).current_dir(root).args(arguments),
    )?)?)
}

fn published(metadata: &Value) -> impl Iterator<Item = &Value> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.filter(|package| package["publish"].is_null())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
