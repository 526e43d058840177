//! Whether each method that users meet first has an example of its own.

use std::collections::{BTreeMap, BTreeSet};

use rustdoc_types::{Crate, Impl, ItemEnum, Type, Visibility};

/// The types whose methods need examples.
const TYPES: [&str; 6] = [
    "Builder",
    "KeyRing",
    "RequireSession",
    "Session",
    "SessionLayer",
    "Sessions",
];

/// A public method and its documentation.
#[derive(Debug)]
struct Method {
    name: String,
    docs: String,
}

/// Methods without an example, and methods that share one with another method.
pub(crate) fn problems(documented: &Crate) -> Vec<String> {
    let mut problems = Vec::new();
    let mut methods = Vec::new();
    for name in TYPES {
        let found = methods_of(documented, name);
        if found.is_empty() {
            problems.push(format!(
                "{name} has no methods; is it still called so in lab/api/src/examples.rs?"
            ));
        }
        methods.extend(found);
    }
    problems.extend(problems_of(&methods));
    problems
}

/// The public methods of this type of the crate, without those of traits.
fn methods_of(documented: &Crate, name: &str) -> Vec<Method> {
    let impls = documented.index.values().filter_map(|item| match &item.inner {
        ItemEnum::Impl(block) if block.trait_.is_none() && is_of(documented, block, name) => Some(block),
        _ => None,
    });
    let items = impls
        .flat_map(|block| &block.items)
        .filter_map(|id| documented.index.get(id));
    items
        .filter(|item| matches!(item.inner, ItemEnum::Function(_)) && matches!(item.visibility, Visibility::Public))
        .map(|item| Method {
            name: format!("{name}::{}", item.name.as_deref().unwrap_or_default()),
            docs: item.docs.clone().unwrap_or_default(),
        })
        .collect()
}

/// Whether this block has the methods of the crate's own type with this name.
fn is_of(documented: &Crate, block: &Impl, name: &str) -> bool {
    let Type::ResolvedPath(path) = &block.for_ else {
        return false;
    };
    let item = documented.index.get(&path.id);
    item.is_some_and(|item| item.crate_id == 0 && item.name.as_deref() == Some(name))
}

fn problems_of(methods: &[Method]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for Method { name, docs } in methods {
        let examples = examples(docs);
        if examples.is_empty() {
            problems.push(format!("{name} has no example"));
        }
        for example in examples {
            owners.entry(example).or_default().insert(name);
        }
    }
    let alike = owners.values().filter(|names| names.len() > 1);
    problems.extend(alike.map(|names| {
        let names: Vec<&str> = names.iter().copied().collect();
        format!("{} have the same example", names.join(" and "))
    }));
    problems.sort();
    problems
}

/// The Rust code of the documentation as its readers see it: without hidden lines, blank lines and indentation. A block
/// that is empty then shows nothing.
fn examples(docs: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = docs.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
        let visible: Vec<&str> = code
            .filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
            .collect();
        if is_run(info) && !visible.is_empty() {
            examples.push(visible.join("\n"));
        }
    }
    examples
}

/// Whether rustdoc compiles a block with this text after its fence, and expects it to compile.
fn is_run(info: &str) -> bool {
    let mut words = info.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.all(|word| ["rust", "no_run", "should_panic"].contains(&word) || word.starts_with("edition"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_with(methods: &[(&str, &str)]) -> Vec<String> {
        let methods = methods.iter().map(|(name, docs)| Method {
            name: (*name).to_owned(),
            docs: (*docs).to_owned(),
        });
        problems_of(&methods.collect::<Vec<_>>())
    }

    #[test]
    fn an_example_is_what_rustdoc_runs() {
        assert_eq!(problems_with(&[("A::a", "Does it.\n\n```\na();\n```")]), [""; 0]);
        assert_eq!(problems_with(&[("A::a", "```no_run\na();\n```\n")]), [""; 0]);
        for docs in [
            "",
            "Does it: `a()`.",
            "```text\na();\n```",
            "```ignore\na();\n```",
            "```compile_fail\na();\n```",
            "```\n# a();\n\n```",
        ] {
            assert_eq!(problems_with(&[("A::a", docs)]), ["A::a has no example"], "{docs}");
        }
    }

    #[test]
    fn examples_that_look_alike_are_named() {
        let (shown, other) = ("```\n# x();\na();\n```", "```\nb();\n```");
        assert_eq!(problems_with(&[("A::a", shown), ("A::b", other)]), [""; 0]);
        let hidden_differs = "More.\n```rust\n# y();\n\n    a();\n```";
        assert_eq!(
            problems_with(&[("A::a", shown), ("B::b", hidden_differs)]),
            ["A::a and B::b have the same example"]
        );
        let both = format!("{other}\n\n{shown}");
        assert_eq!(
            problems_with(&[("A::a", shown), ("B::b", &both)]),
            ["A::a and B::b have the same example"]
        );
    }
}
