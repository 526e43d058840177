//! The pages, as HTML without a script. Everything that comes from a visitor goes through [`escape`].

use std::fmt::Write;

use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use sealed_session::SessionId;
use sealed_session::keys::{KeyDescription, Role};
use time::OffsetDateTime;

use crate::terminal::date_time;
use crate::token_view::{Access, Segment, TokenView};
use crate::{Item, Login};

/// A finished page.
pub(crate) struct Page(String);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_SECURITY_POLICY, POLICY)], Html(self.0)).into_response()
    }
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What the home page shows.
pub(crate) struct Home<'a> {
    pub(crate) visitor: Option<Visitor<'a>>,
    pub(crate) cookie_name: &'a str,
    pub(crate) session_token: Option<&'a str>,
    pub(crate) activity_token: Option<&'a str>,
    pub(crate) keys: &'a [KeyDescription],
    pub(crate) keys_before: Option<&'a [KeyDescription]>,
    pub(crate) is_shared: bool,
}

/// Somebody who is signed in.
pub(crate) struct Visitor<'a> {
    pub(crate) login: &'a Login,
    pub(crate) id: SessionId,
    pub(crate) started: OffsetDateTime,
    pub(crate) over: OffsetDateTime,
    pub(crate) remembered: bool,
}

/// The one page of the demo.
pub(crate) fn home(home: &Home<'_>) -> Page {
    let session_token = home.session_token.and_then(TokenView::of);
    let mut body = match &home.visitor {
        Some(visitor) => welcome(visitor, home.session_token.map_or(0, str::len)),
        None => front_door(home.session_token.is_some()),
    };
    body += &cookies(home, session_token.as_ref());
    if session_token.is_some() {
        body += ATTACK;
    }
    body += &operations(home, session_token.as_ref());
    body += RESPONSES;
    let title = match &home.visitor {
        Some(visitor) => format!("{} – sealed-session", escape(&visitor.login.name)),
        None => "Sign in – sealed-session".to_owned(),
    };
    document(&title, &body)
}

/// The page that has nothing to do with sessions.
pub(crate) fn public() -> Page {
    document("A public page – sealed-session", PUBLIC)
}

/// The answer to a name that is none.
pub(crate) fn bad_name() -> Page {
    document("A name, please – sealed-session", BAD_NAME)
}

fn document(title: &str, body: &str) -> Page {
    Page(format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header class="top"><a class="brand" href="/">sealed-session</a> <a href="/public">A public page</a></header>
<main>
{body}</main>
</body>
</html>
"#
    ))
}

const STYLE: &str = include_str!("style.css");

// ---- Who you are.

fn front_door(cookie_came: bool) -> String {
    let still_there = if cookie_came { REFUSED } else { "" };
    format!(
        r#"<section class="hero">
<div>
<h1>This server remembers nobody.</h1>
<p class="lead">Sign in, and all that it will know about you travels in a cookie of yours: sealed, so that you cannot
read or change it, and over by itself. There is no session table behind this page.</p>
{still_there}</div>
<form class="card stack" method="post" action="/sign-in">
<label for="name">Your name</label>
<input id="name" name="name" required maxlength="40" autocomplete="nickname" placeholder="Ada">
<label class="tick"><input type="checkbox" name="remember" value="yes"> Remember me for 14 days after each visit</label>
<button class="primary">Sign in</button>
<p class="small">A demo: any name will do, and nobody asks for a password.</p>
</form>
</section>
"#
    )
}

const REFUSED: &str = r#"<p class="note">A cookie came with your request, and no session opened from it. That is all a
visitor gets to know; <strong>the terminal shows why</strong>. The cookie stays where it is (a server that has not got
a new key yet must not sign anybody out), and signing in replaces it.</p>
"#;

fn welcome(visitor: &Visitor<'_>, token_length: usize) -> String {
    let Visitor {
        login,
        id,
        started,
        over,
        remembered,
    } = visitor;
    let remembered = match remembered {
        true => "yes: the cookies outlive the browser",
        false => "no: the cookies end with the browser",
    };
    format!(
        r#"<section class="hero">
<div>
<h1>Hello, {name}.</h1>
<p class="lead">All that this server knows about you came with your request, sealed in a cookie of {token_length}
characters. Only the server has the key to it.</p>
<dl class="facts">
<div><dt>Session</dt><dd><code>{id}</code></dd></div>
<div><dt>Started</dt><dd>{started}</dd></div>
<div><dt>Over at the latest</dt><dd>{over}</dd></div>
<div><dt>Remembered</dt><dd>{remembered}</dd></div>
</dl>
<form class="buttons" method="post" action="/sign-out"><button>Sign out</button>
<button formaction="/sign-out-everywhere">Sign out everywhere</button></form>
<p class="small">Signing out is real: both cookies go, and the session’s id is revoked, so that a copy of them is
worthless too. <em>Everywhere</em> ends every session of this name, in all browsers.</p>
</div>
{basket}</section>
"#,
        name = escape(&login.name),
        started = date_time(*started),
        over = date_time(*over),
        basket = basket(login),
    )
}

fn basket(login: &Login) -> String {
    let mut rows = String::new();
    for (item, value, name) in [
        (Item::Bread, "bread", "Bread"),
        (Item::Honey, "honey", "Honey"),
        (Item::Olives, "olives", "Olives"),
        (Item::Tea, "tea", "Tea"),
    ] {
        let count = login.basket.get(&item).copied().unwrap_or(0);
        let disabled = if count == 0 { " disabled" } else { "" };
        rows += &format!(
            r#"<li><form method="post" action="/basket"><input type="hidden" name="item" value="{value}">
<span>{name}</span>
<button name="change" value="remove" aria-label="one {value} less"{disabled}>−</button>
<b>{count}</b>
<button name="change" value="add" aria-label="one {value} more">+</button>
</form></li>
"#
        );
    }
    let total: u32 = login.basket.values().sum();
    format!(
        r#"<div class="card basket">
<h2>Basket <span class="count">{total}</span></h2>
<ul>
{rows}</ul>
<p class="small">It is in the cookie too. Every change seals it anew under a fresh salt, and the id stays.</p>
</div>
"#
    )
}

// ---- What your browser holds.

fn cookies(home: &Home<'_>, session_token: Option<&TokenView>) -> String {
    let name = home.cookie_name;
    let mut html = String::from("<section>\n<h2>What your browser holds</h2>\n");
    let Some(token) = session_token else {
        html += "<p>No session: signed out, this page needs no cookie and sets none. Sign in, and every byte of yours \
                 is shown here.</p>\n</section>\n";
        return html;
    };
    html += KEY_TO_BADGES;
    let title = match &home.visitor {
        Some(_) => "The session: who you are, until when at most",
        None => "What claims to be a session",
    };
    let opened = home.visitor.as_ref().map_or(String::new(), opened);
    html += &token_card(title, name, home.session_token.unwrap_or_default(), token, &opened);
    if let (Some(text), Some(token)) = (home.activity_token, home.activity_token.and_then(TokenView::of)) {
        let title = "The activity: that you were here lately";
        html += &token_card(title, &format!("{name}-seen"), text, &token, ACTIVITY);
    }
    html + "</section>\n"
}

const KEY_TO_BADGES: &str = r#"<p class="badges"><span class="badge readable">readable</span> by anybody who sees
the cookie
<span class="badge proof">proof</span> made and checked only with the key
<span class="badge sealed">sealed</span> read only with the key</p>
"#;

const ACTIVITY: &str = r#"<p class="small">A visit sends this small cookie alone (when a tenth of the idle timeout has passed),
so that it can neither overwrite a basket that another tab has just changed nor bring back a session that has ended.</p>
"#;

fn token_card(title: &str, name: &str, text: &str, token: &TokenView, below: &str) -> String {
    let mut dump = String::new();
    let mut rows = String::new();
    for segment in &token.segments {
        let bytes = &token.bytes[segment.range.clone()];
        let class = segment.name.replace(' ', "-");
        let name = segment.name;
        // Writing into a `String` cannot fail.
        let _ = writeln!(dump, r#"<span class="run {class}"><b>{name}</b> {}</span>"#, hex(bytes));
        rows += &row(segment, &class);
    }
    format!(
        r#"<article class="card">
<h3>{title}</h3>
<p class="small"><code>{name}</code>, {bytes} bytes, written as {length} characters of base64url:</p>
<p class="raw">{text}</p>
<p class="dump">{dump}</p>
<table class="parts">
<thead><tr><th>Bytes</th><th>Part</th><th>For others</th><th>Meaning</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
{below}</article>
"#,
        bytes = token.bytes.len(),
        length = text.len(),
        text = escape(text),
    )
}

fn row(segment: &Segment, class: &str) -> String {
    let badge = match segment.access {
        Access::Readable => r#"<span class="badge readable">readable</span>"#,
        Access::Proof => r#"<span class="badge proof">proof</span>"#,
        Access::Sealed => r#"<span class="badge sealed">sealed</span>"#,
    };
    let decoded = match &segment.decoded {
        Some(decoded) => format!("<code>{decoded}</code> "),
        None => String::new(),
    };
    let (first, last) = (segment.range.start, segment.range.end - 1);
    let range = match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    format!(
        r#"<tr><td class="number">{range}</td><th scope="row" class="{class}">{}</th><td>{badge}</td><td>{decoded}{}</td></tr>
"#,
        segment.name, segment.meaning,
    )
}

/// More bytes of one segment are counted, not shown.
const SHOWN: usize = 96;

fn hex(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x} ")).collect();
    if bytes.len() > SHOWN {
        text += &format!("… {} more", bytes.len() - SHOWN);
    }
    text.trim_end().to_owned()
}

/// What the sealed state says: the server can show it, for it has the key.
fn opened(visitor: &Visitor<'_>) -> String {
    let data = serde_json::to_string(visitor.login).unwrap_or_default();
    format!(
        r#"<p class="opened"><span class="badge sealed">opened with the key</span> started {}, remembered: {}, data
<code>{}</code></p>
"#,
        date_time(visitor.started),
        if visitor.remembered { "yes" } else { "no" },
        escape(&data),
    )
}

const ATTACK: &str = r#"<section>
<h2>Be the attacker</h2>
<div class="card stack">
<p>Changes one bit of your session cookie, as somebody would who wants to be somebody else. On the next page you are
plainly signed out, whichever bit it was; the terminal shows why. The same button again flips the bit back, and your session
opens as if nothing had been.</p>
<form class="buttons" method="post" action="/flip">
<button name="part" value="head">Flip a bit of the session id</button>
<button name="part" value="state">Flip a bit of the sealed state</button>
</form>
</div>
</section>
"#;

// ---- What operators do.

fn operations(home: &Home<'_>, session_token: Option<&TokenView>) -> String {
    let yours = session_token.and_then(|token| token.bytes.get(1..5));
    let mut rings = String::new();
    if let Some(before) = home.keys_before {
        rings += &ring("Before the rotation", before, yours);
    }
    rings += &ring("The ring now", home.keys, yours);
    let rotate = if home.is_shared { SHARED } else { ROTATE };
    format!(
        r#"<section>
<h2>Be the operator</h2>
<div class="pair">
<div class="card stack">
<h3>Rotate the secret</h3>
{rotate}<div class="rings">
{rings}</div>
</div>
<div class="card stack">
<h3>Sign everybody out</h3>
<p>Raises the cut-off to this moment: every session that started earlier is over, wherever its cookie is, and no list
was kept of them. It takes up to a second, since tokens count whole seconds.</p>
<form method="post" action="/sign-everybody-out"><button class="danger">Sign everybody out</button></form>
<p class="small">Cut-off and revoked ids are in this process’s memory and end with it, unless <code>LOGIN_SHARED</code>
names files for them: a real server keeps both and has them again at its start.</p>
</div>
</div>
</section>
"#
    )
}

const ROTATE: &str = r#"<p>A new key seals from now on, those before only open. Nobody is signed out, and nothing is sealed
again until it changes. This ring keeps four keys; what an older one sealed is over.</p>
<form method="post" action="/rotate"><button>Rotate the secret</button></form>
"#;

const SHARED: &str = r#"<p>Several servers read this ring, so it is rotated in steps, with <code>sealed-session ring</code>, as
<code>docs/operating.md</code> says. The page shows what this server has.</p>
"#;

fn ring(title: &str, keys: &[KeyDescription], yours: Option<&[u8]>) -> String {
    let mut lines = String::new();
    for key in keys {
        let class = if key.role == Role::Open { "open" } else { "seals" };
        let mark = match yours {
            Some(id) if *id == key.id.to_bytes() => " <small>your cookie</small>",
            _ => "",
        };
        lines += &format!(r#"<li class="{class}"><code>{key}</code>{mark}</li>"#);
    }
    format!("<div><h4>{title}</h4><ul>{lines}</ul></div>\n")
}

// ---- What caches are told. `examples/login/tests/login.rs` compares this with the responses.

const RESPONSES: &str = r#"<section>
<h2>What caches are told</h2>
<div class="card"><table>
<thead><tr><th>Response</th><th>Header fields that the crate writes</th></tr></thead>
<tbody>
<tr><th scope="row">This page, no cookie came</th><td><code>Vary: Cookie</code></td></tr>
<tr><th scope="row">This page, a cookie opened nothing</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-cache</code></td></tr>
<tr><th scope="row">This page, signed in</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code>: it asks for <code>no-store</code> itself, so that Back shows nothing after signing out</td></tr>
<tr><th scope="row">Signed in or out, basket changed</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code> <code>Set-Cookie</code></td></tr>
<tr><th scope="row"><a href="/public">The public page</a></th><td>none: it does not look at the session, so any cache may share it</td></tr>
</tbody>
</table></div>
</section>
"#;

const PUBLIC: &str = r#"<section class="hero single">
<div>
<h1>The same for everybody.</h1>
<p class="lead">This page does not look at the session, so the crate leaves its response alone, whatever cookie came: no
<code>Set-Cookie</code>, no <code>Vary</code>, no cryptography. The application says
<code>Cache-Control: public, max-age=60</code>, and every cache may believe it.</p>
<p><a href="/">Back to your session</a></p>
</div>
</section>
"#;

const BAD_NAME: &str = r#"<section class="hero single">
<div>
<h1>A name, please.</h1>
<p class="lead">It takes 1 to 40 characters. Any will do.</p>
<p><a href="/">Back</a></p>
</div>
</section>
"#;

/// Text as HTML text or as a quoted attribute.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
