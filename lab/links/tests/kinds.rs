//! Each kind of dead link is found, and no link that works is called dead.

use links::{DOCS, FILES, Site};
use serde_json::json;

const OUT: &str = "leads out of the repository or of the package's documentation";

/// A small repository: the text stands in its `docs/README.md`, and the link in its documentation.
fn site(text: &str, link: &str) -> Site {
    let mut site = Site::default();
    let headings = "# `Sealed` *sessions*, v1.0!\n\n## Twice\n\n## Twice\n\n<a id=\"own\"></a>\n";
    site.file("README.md", headings);
    site.file("docs/README.md", &format!("# Pages\n\n{text}\n"));
    site.file("docs/löschen.md", "# Löschen & vergessen_\n");
    site.file("src/lib.rs", "one\ntwo\nthree\n");
    let foreign = "<h2 id=\"blanket-implementations\"><a href='gone'>";
    let key = format!("<i id='impl-From%3CT%3E'>\n<a href='{link}'></a>{foreign}");
    let moved = "<meta http-equiv='refresh' content='0;URL=struct.Key.html'><a href='struct.Key.html'>";
    for (path, html) in [
        ("sealed_session/index.html", "<h2 id='more'>"),
        ("sealed_session/struct.Key.html", &key),
        ("sealed_session/struct.Moved.html", moved),
        ("src/sealed_session/lib.rs.html", "<a id=1></a><a id=2></a>"),
        ("static.files/main.js", "<a href=gone>"),
    ] {
        site.documentation("", path, html);
    }
    site.documentation("-redis", "sealed_session_redis/index.html", "");
    site
}

#[track_caller]
fn works(text: &str) {
    assert_eq!(site(text, "").dead_links(), [""; 0], "{text}");
}

#[track_caller]
fn dead(text: &str, link: &str, reason: &str) {
    let expected = format!("docs/README.md:3: {link}: {reason}");
    assert_eq!(site(text, "").dead_links(), [expected], "{text}");
}

#[test]
fn files_folders_and_anchors() {
    let lines = "../src/lib.rs#L3 ../src/lib.rs#L1-L3 ../README.md#L3";
    let headings = "../README.md#sealed-sessions-v10 ../README.md#twice ../README.md#twice-1 ../README.md#own";
    let encoded = "löschen.md#löschen--vergessen_ l%C3%B6schen.md#l%C3%B6schen--vergessen_";
    let pages = "../README.md . .. ../src/ ../docs#pages #pages # ?plain=1";
    [lines, headings, encoded, pages].iter().for_each(|list| {
        list.split(' ').for_each(|link| works(&format!("[text]({link})")));
    });
    let lines = "../src/lib.rs#L4 ../src/lib.rs#L0 ../src/lib.rs#L2-L4 ../src/lib.rs#L ../src/lib.rs#one";
    let headings = "../README.md#Twice ../README.md#twice-2 ../README.md#sealed-sessions-v1.0 ../README.md#1";
    for (list, reason) in [
        ("README ../docs/missing.md ../Docs/README.md ../src/lib", "no such page"),
        (lines, "no such anchor"),
        (headings, "no such anchor"),
        ("../../README.md ../../../../../README.md /README.md //github.com", OUT),
    ] {
        list.split(' ')
            .for_each(|link| dead(&format!("[text]({link})"), link, reason));
    }
}

#[test]
fn every_way_to_write_a_link() {
    for text in [
        "![text](gone.md 'title')",
        "[text][name]\n\n[name]: gone.md",
        "[name]\n\n[name]: gone.md",
        "a <a href=\"gone.md\">text</a>",
        "<img alt=\"\" src='gone.md'>",
    ] {
        dead(text, "gone.md", "no such page");
    }
    dead("[text][name]", "[name]", "no such page");
    works("```text\n[text](gone.md)\n```\n\n`[text](gone.md)`, a [word] in brackets, \\[text](gone.md)");
}

#[test]
fn addresses_of_our_own_pages() {
    let (file, page) = (
        format!("{FILES}/docs/README.md#pages"),
        format!("{DOCS}/latest/sealed_session/#more"),
    );
    let (folder, raw, redis) = (
        format!("{FILES}/src").replace("blob", "tree"),
        format!("{FILES}/src/lib.rs").replace("blob", "raw"),
        format!("{DOCS}-redis/latest"),
    );
    for address in [&file, &folder, &raw, &page, &redis, DOCS] {
        works(&format!("[text]({address}), <{address}>, {address}."));
    }
    for (address, reason) in [
        (format!("{FILES}/gone.md"), "no such page"),
        (FILES.replace("main", "v1"), "no such page"),
        (format!("{FILES}#gone"), "no such anchor"),
        (format!("{DOCS}/latest/sealed_session/struct.Gone.html"), "no such page"),
        (format!("{DOCS}#gone"), "no such anchor"),
        (format!("{DOCS}-cli"), "no such page"),
    ] {
        dead(&format!("See {address}."), &address, reason);
        let mut site = site("", "");
        site.file("src/main.rs", &format!("\nlet address = \"{address}\";\n"));
        assert_eq!(site.dead_links(), [format!("src/main.rs:2: {address}: {reason}")]);
    }
}

#[test]
fn documentation() {
    let source = "../src/sealed_session/lib.rs.html";
    let pages = "index.html#more ../sealed_session struct.Moved.html#impl-From%3CT%3E ../static.files/main.js";
    for link in pages.split(' ').chain([&*format!("{source}#1-2")]) {
        assert_eq!(site("", link).dead_links(), [""; 0], "{link}");
    }
    for (link, reason) in [
        ("struct.Gone.html", "no such page"),
        ("struct.Moved.html#gone", "no such anchor"),
        (&format!("{source}#1-3"), "no such anchor"),
        ("../sealed_session_redis/index.html", "no such page"),
        ("../../../sealed-session-redis", OUT),
        ("../../../../SPEC.md", OUT),
    ] {
        let place = format!("{DOCS}/latest/sealed_session/struct.Key.html:2");
        assert_eq!(site("", link).dead_links(), [format!("{place}: {link}: {reason}")]);
    }
}

#[test]
fn manifests_say_where_a_readme_is() {
    let repository = FILES.trim_end_matches("/blob/main");
    let npm = |manifest| {
        let mut site = Site::default();
        site.npm("js/package.json", &manifest);
        site.dead_links().len()
    };
    let in_folder = |folder| json!({ "repository": { "url": format!("git+{repository}.git"), "directory": folder } });
    assert_eq!([npm(in_folder("js")), npm(json!({ "private": true }))], [0, 0]);
    assert_eq!([npm(in_folder("web")), npm(json!({}))], [1, 1]);

    let crates_io = |repository, readme| {
        let mut site = Site::default();
        site.crates_io(&json!({ "repository": repository, "readme": readme }));
        site.dead_links().len()
    };
    assert_eq!(crates_io(repository, "README.md"), 0);
    assert_eq!(
        [crates_io(repository, "../README.md"), crates_io(DOCS, "README.md")],
        [1, 1]
    );
}

#[test]
fn links_to_other_sites_with_their_places() {
    let text = "[b](https://b.org/), https://a.org and `https://code.org`\n\n<https://a.org>\n\n    https://c.org";
    let mut site = site(text, "https://doc.org");
    let code = "// https://a.org/b.\nlet address = \"https://code.org\"; // http://127.0.0.1:1\n";
    site.file("src/token.rs", code);
    let found = Vec::from_iter(
        site.elsewhere()
            .into_iter()
            .map(|(to, places)| format!("{to} {places:?}")),
    );
    let a = r#"https://a.org {"docs/README.md:3", "docs/README.md:5"}"#;
    let b = r#"https://b.org/ {"docs/README.md:3"}"#;
    assert_eq!(found, [a, r#"https://a.org/b {"src/token.rs:1"}"#, b]);
}
