//! Which links of this repository are dead, as GitHub, crates.io, npm and docs.rs resolve them.
//!
//! A link is joined with the address of its page, and the result is looked up among the pages of a [`Site`]: the
//! tracked files at their addresses on GitHub, and rustdoc's pages at theirs on docs.rs. crates.io and npm resolve the
//! links of a README as GitHub does, if the manifest names the right repository and folder.

mod document;
mod sources;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use document::{Document, is_site};
use percent_encoding::percent_decode_str;
use url::Url;

pub const FILES: &str = "https://github.com/sealed-session/sealed-session/blob/main";
pub const DOCS: &str = "https://docs.rs/sealed-session";

/// Pages by their addresses, which have no slash at the end, and addresses that lead on to another one.
#[derive(Default)]
pub struct Site {
    pages: BTreeMap<String, Document>,
    aliases: BTreeMap<String, String>,
    dead: Vec<String>,
}

impl Site {
    /// A tracked file. A folder shows its README.
    pub fn file(&mut self, path: &str, text: &str) {
        let address = format!("{FILES}/{path}");
        for folder in Path::new(path).ancestors().skip(1).filter_map(Path::to_str) {
            self.pages
                .entry(format!("{FILES}/{folder}").trim_end_matches('/').to_owned())
                .or_default();
        }
        if let Some(folder) = address.strip_suffix("/README.md") {
            self.aliases.insert(folder.to_owned(), address.clone());
        }
        self.pages.insert(address, Document::of_file(path, text));
    }

    /// A file of the documentation that docs.rs builds of a package. `-redis` stands for `sealed-session-redis`.
    pub fn documentation(&mut self, package: &str, path: &str, text: &str) {
        let root = format!("{DOCS}{package}/latest");
        let address = format!("{root}/{path}");
        let document = Document::of_documentation(path, text);
        if let Some(folder) = address.strip_suffix("/index.html") {
            self.aliases.insert(folder.to_owned(), address.clone());
        }
        if path == format!("sealed_session{}/index.html", package.replace('-', "_")) {
            self.aliases.insert(format!("{DOCS}{package}"), root.clone());
            self.aliases.insert(root, address.clone());
        }
        if document.redirects
            && let Some(target) = document
                .links
                .first()
                .and_then(|(_, to)| Url::parse(&address).ok()?.join(to).ok())
        {
            self.aliases.insert(address.clone(), target.into());
        }
        self.pages.insert(address, document);
    }

    /// The dead links, each as `file:line: link: reason`.
    pub fn dead_links(&self) -> Vec<String> {
        let mut dead = self.dead.clone();
        for (address, page) in &self.pages {
            for (line, to) in &page.links {
                if let Some(reason) = self.reason(address, to) {
                    let place = address.strip_prefix(FILES).map_or(&**address, |path| &path[1..]);
                    dead.push(format!("{place}:{line}: {to}: {reason}"));
                }
            }
        }
        dead
    }

    /// Why a link on this page is dead. Links to other sites are not known to be.
    fn reason(&self, page: &str, to: &str) -> Option<&'static str> {
        let Ok(mut url) = Url::parse(page).and_then(|base| base.join(to)) else {
            return Some("no address");
        };
        let anchor = url.fragment().unwrap_or_default().to_owned();
        url.set_fragment(None);
        url.set_query(None);
        let address = url
            .as_str()
            .trim_end_matches('/')
            .replacen("/tree/main", "/blob/main", 1)
            .replacen("/raw/main", "/blob/main", 1);
        let root: String = match page.starts_with(FILES) {
            true => FILES.to_owned(),
            false => page.split('/').take(5).collect::<Vec<_>>().join("/"),
        };
        if Url::parse(to).is_err() && !format!("{address}/").starts_with(&format!("{root}/")) {
            return Some("leads out of the repository or of the package's documentation");
        }
        if !is_ours(&address) {
            return None;
        }
        let address = decoded(&address).into_owned();
        let found = std::iter::successors(Some(&address), |address| self.aliases.get(*address))
            .take(5)
            .last();
        match found.and_then(|address| self.pages.get(address)) {
            None => Some("no such page"),
            Some(page) => (!anchor.is_empty() && !page.has(&anchor)).then_some("no such anchor"),
        }
    }

    /// The links to other sites, and the places of each. What rustdoc adds by itself is not among them.
    pub fn elsewhere(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (address, page) in &self.pages {
            let Some(path) = address.strip_prefix(FILES) else {
                continue;
            };
            for (line, to) in page.links.iter().filter(|(_, to)| is_site(to) && !is_ours(to)) {
                found.entry(&**to).or_default().insert(format!("{}:{line}", &path[1..]));
            }
        }
        found
    }
}

/// Whether an address leads to a file of the repository or to documentation of its packages.
fn is_ours(address: &str) -> bool {
    let repository = FILES.trim_end_matches("blob/main");
    let is_file = |rest: &str| ["blob", "tree", "raw"].iter().any(|kind| rest.starts_with(kind));
    address.strip_prefix(repository).is_some_and(is_file) || address.starts_with(DOCS)
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
