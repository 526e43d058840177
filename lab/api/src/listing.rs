//! Lines of a listing: the same with every compiler, their foreign crates, and how two listings differ.

use std::collections::BTreeSet;

/// The line as it is compared. The standard library moves items between its own crates, so these are all `std`.
pub(crate) fn normalised(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for (word, is_root) in words(line) {
        text.push_str(if is_root && ["core", "alloc"].contains(&word) {
            "std"
        } else {
            word
        });
    }
    text
}

/// The crates that the line names, without this one. A path is written out in full, so its first part is a crate unless
/// it is a type: types and type parameters begin with a capital.
pub(crate) fn foreign_crates(line: &str) -> BTreeSet<&str> {
    let roots = words(line)
        .into_iter()
        .filter(|&(_, is_root)| is_root)
        .map(|(word, _)| word);
    roots
        .filter(|root| {
            *root != "sealed_session" && root.starts_with(|first: char| first.is_lowercase() || first == '_')
        })
        .collect()
}

/// The line in pieces: names and the text between them, each with whether a path begins with it.
fn words(line: &str) -> Vec<(&str, bool)> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut pieces = Vec::new();
    let mut rest = line;
    let mut after_colons = false;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|next| is_name(next) != is_name(first)).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(length);
        pieces.push((piece, is_name(first) && !after_colons && tail.starts_with("::")));
        after_colons = piece.ends_with("::");
        rest = tail;
    }
    pieces
}

/// Lines that only one of them has, marked with `-` and `+`.
pub(crate) fn differences(old: &str, new: &str) -> String {
    let (old_lines, new_lines): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let gone = old_lines.difference(&new_lines).map(|line| format!("- {line}\n"));
    let added = new_lines.difference(&old_lines).map(|line| format!("+ {line}\n"));
    gone.chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_wherever_std_keeps_its_items() {
        let line = "pub x::E::kind: std::io::error::ErrorKind";
        assert_eq!(normalised(line), line);
        assert_eq!(normalised("pub x::E::kind: core::io::error::ErrorKind"), line);
        assert_eq!(
            normalised("pub fn x::core::f(&mut alloc::vec::Vec<T>)"),
            "pub fn x::core::f(&mut std::vec::Vec<T>)"
        );
    }

    #[test]
    fn foreign_crates_are_the_roots_of_paths() {
        let line = "pub fn sealed_session::S<T>::f(&self, impl std::ops::Fn(&http::Map<T>)) -> <T as serde_core::S>::Ok where T::http: a";
        assert_eq!(foreign_crates(line), BTreeSet::from(["http", "serde_core", "std"]));
        assert_eq!(foreign_crates("pub mod sealed_session"), BTreeSet::new());
    }

    #[test]
    fn differences_name_both_sides() {
        assert_eq!(differences("a\nb\n", "b\nc\n"), "- a\n+ c\n");
        assert_eq!(differences("a\n", "a\n"), "");
    }
}
