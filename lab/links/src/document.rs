use std::collections::BTreeSet;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use pulldown_cmark::{BrokenLink, Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

/// What a page has of links, with their lines, and of anchors.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) links: Vec<(usize, String)>,
    pub(crate) redirects: bool,
    anchors: BTreeSet<String>,
    lines: usize,
}

impl Document {
    pub(crate) fn of_file(path: &str, text: &str) -> Self {
        let mut this = Self::default();
        match path {
            _ if path.ends_with(".md") => this.markdown(text),
            _ if path.ends_with(".lock") || path.ends_with("package-lock.json") => {}
            _ => this.text(path, text),
        }
        this.numbered(text)
    }

    pub(crate) fn of_documentation(path: &str, text: &str) -> Self {
        let mut this = Self::default();
        // docs.rs has its own settings and help, which rustdoc writes into the root.
        if path.ends_with(".html") && path.contains('/') {
            this.tags(text, 0);
            // Blanket implementations have the documentation of other crates, and its dead links.
            let end = text.find("id=\"blanket-implementations\"").unwrap_or(text.len());
            this.links.retain(|(offset, _)| *offset < end);
        }
        this.numbered(text)
    }

    /// Offsets become lines.
    fn numbered(mut self, text: &str) -> Self {
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
        self.links
            .iter_mut()
            .for_each(|(at, _)| *at = ends.partition_point(|end| end < at) + 1);
        self.lines = text.lines().count();
        self
    }

    fn markdown(&mut self, text: &str) {
        let mut undefined = Vec::new();
        let broken = |link: BrokenLink| {
            // A word in brackets alone may be meant so; `[text][name]` is not, and leads to no page under this name.
            if !matches!(link.link_type, LinkType::Shortcut | LinkType::ShortcutUnknown) {
                undefined.push((link.span.start, format!("[{}]", link.reference)));
            }
            None
        };
        let tables_and_more = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
        let options = tables_and_more | Options::ENABLE_TASKLISTS | Options::ENABLE_GFM;
        let parser = Parser::new_with_broken_link_callback(text, options, Some(broken));
        // Within links and code, addresses are no links.
        let (mut within, mut heading) = (0, String::new());
        for (event, range) in TextMergeWithOffset::new(parser.into_offset_iter()) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push((range.start, dest_url.into_string()));
                    within += 1;
                }
                Event::Start(Tag::CodeBlock(_)) => within += 1,
                Event::End(TagEnd::Link | TagEnd::Image | TagEnd::CodeBlock) => within -= 1,
                Event::Start(Tag::Heading { .. }) => heading.clear(),
                Event::End(TagEnd::Heading(_)) => self.heading(&heading),
                Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => self.tags(&text[range.clone()], range.start),
                Event::Text(shown) => {
                    heading.push_str(&shown);
                    let found = addresses(&text[range.clone()]).filter(|_| within == 0);
                    self.links
                        .extend(found.map(|(at, address)| (range.start + at, address.to_owned())));
                }
                Event::Code(shown) => heading.push_str(&shown),
                _ => {}
            }
        }
        self.links.append(&mut undefined);
    }

    /// GitHub's anchor of a heading; a second one of the same text gets a number.
    fn heading(&mut self, text: &str) {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
        let slug = text
            .to_lowercase()
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-");
        let names = (0..).map(|number| {
            if number == 0 {
                slug.clone()
            } else {
                format!("{slug}-{number}")
            }
        });
        let free = names.into_iter().find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }

    fn tags(&mut self, html: &str, offset: usize) {
        let mut emitter = DefaultEmitter::<usize>::new_with_span();
        emitter.naively_switch_states(true);
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            let Token::StartTag(tag) = token else { continue };
            for (name, value) in &tag.attributes {
                let value = String::from_utf8_lossy(value).into_owned();
                match (name.as_slice(), tag.name.as_slice()) {
                    (b"id", _) | (b"name", b"a") => _ = self.anchors.insert(value),
                    (b"href" | b"src", _) => self.links.push((offset + tag.span.start, value)),
                    (b"http-equiv", _) => self.redirects |= value == "refresh",
                    _ => {}
                }
            }
        }
    }

    /// Addresses in comments and manifests; those of our own pages wherever they stand.
    fn text(&mut self, path: &str, text: &str) {
        let manifest = ["Cargo.toml", "package.json", "jsr.json"]
            .iter()
            .any(|name| path.ends_with(name));
        for (at, address) in addresses(text) {
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            let comment = ["//", "/*", "*", "#"]
                .iter()
                .any(|start| line.trim_start().starts_with(start));
            if (manifest || comment) && !line.ends_with('`') || crate::is_ours(address) {
                self.links.push((at, address.to_owned()));
            }
        }
    }

    /// Whether a page has this anchor: an id as it stands (rustdoc's are encoded) or decoded, or one line or several.
    pub(crate) fn has(&self, anchor: &str) -> bool {
        let number = |text: &str| text.trim_start_matches('L').parse::<usize>().ok();
        let is_line =
            |text: &str| text.starts_with('L') && number(text).is_some_and(|line| (1..=self.lines).contains(&line));
        let known = |text: &str| self.anchors.contains(text) || is_line(text);
        let is_range = |(from, to)| number(from).is_some() && number(to).is_some() && known(from) && known(to);
        known(anchor) || known(&crate::decoded(anchor)) || anchor.split_once('-').is_some_and(is_range)
    }
}

/// The addresses of sites in text without markup.
fn addresses(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("http").filter_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest
            .find(|c: char| c.is_whitespace() || "<>\"'`()[]{}|\\".contains(c))
            .unwrap_or(rest.len());
        let address = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*']);
        is_site(address).then_some((at, address))
    })
}

/// Whether an address leads to a site: not to this machine, and not to an example.
pub(crate) fn is_site(address: &str) -> bool {
    let rest = address
        .strip_prefix("https://")
        .or(address.strip_prefix("http://"))
        .unwrap_or_default();
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    host.contains('.') && !host.starts_with("127.") && !host.ends_with(".example")
}
