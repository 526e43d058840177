//! The pages, as HTML without scripts. All text from a visitor goes through [`escape`].

use axum::http::header::{CONTENT_SECURITY_POLICY, REFRESH};
use axum::response::{Html, IntoResponse, Response};
use sealed_session::SessionId;
use sealed_session::keys::KeyDescription;
use time::OffsetDateTime;

use self::cookies::{ATTACK, cookies};
use self::operator::operations;
use self::visitor::{front_door, welcome};
use crate::Login;
use crate::token_view::TokenView;

mod cookies;
#[cfg(feature = "device")]
pub(crate) mod device;
mod operator;
mod visitor;

/// A finished page.
pub(crate) struct Page {
    html: String,
    /// Whether the browser loads it again in a second.
    reloads: bool,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let reload = self.reloads.then_some([(REFRESH, "1")]);
        ([(CONTENT_SECURITY_POLICY, POLICY)], reload, Html(self.html)).into_response()
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
    pub(crate) proof_token: Option<&'a str>,
    /// Feature `device`.
    pub(crate) device: Section,
    pub(crate) keys: &'a [KeyDescription],
    pub(crate) keys_before: Option<&'a [KeyDescription]>,
    pub(crate) is_shared: bool,
}

/// A part of the home page.
#[derive(Default)]
pub(crate) struct Section {
    html: String,
    /// Whether it will soon say something else.
    reloads: bool,
}

/// A visitor who is signed in.
pub(crate) struct Visitor<'a> {
    pub(crate) login: &'a Login,
    pub(crate) id: SessionId,
    pub(crate) started: OffsetDateTime,
    pub(crate) ends: OffsetDateTime,
    pub(crate) remembered: bool,
}

/// The one page of the demo.
pub(crate) fn home(home: &Home<'_>) -> Page {
    let session_token = home.session_token.and_then(TokenView::of);
    let mut body = match &home.visitor {
        Some(visitor) => welcome(visitor, home.session_token.map_or(0, str::len)),
        None => front_door(home.session_token.is_some()),
    };
    body += &home.device.html;
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
    Page {
        reloads: home.device.reloads,
        ..document(&title, &body)
    }
}

/// The page that has nothing to do with sessions.
pub(crate) fn public() -> Page {
    document("A public page – sealed-session", PUBLIC)
}

/// The answer to a name that is not allowed.
pub(crate) fn bad_name() -> Page {
    document("A name, please – sealed-session", BAD_NAME)
}

fn document(title: &str, body: &str) -> Page {
    let html = format!(
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
    );
    Page { html, reloads: false }
}

const STYLE: &str = include_str!("style.css");

// ---- What caches are told. `examples/login/tests/login.rs` compares this with the responses.

const RESPONSES: &str = r#"<section>
<h2>What caches are told</h2>
<div class="card"><table>
<thead><tr><th>Response</th><th>Header fields that the crate writes</th></tr></thead>
<tbody>
<tr><th scope="row">This page, without a cookie</th><td><code>Vary: Cookie</code></td></tr>
<tr><th scope="row">This page, with a cookie that does not open</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-cache</code></td></tr>
<tr><th scope="row">This page, signed in</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code>: the page itself asks for <code>no-store</code>, so that Back shows nothing after a sign-out</td></tr>
<tr><th scope="row">Signed in or out, basket changed</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code> <code>Set-Cookie</code></td></tr>
<tr><th scope="row"><a href="/public">The public page</a></th><td>none: it does not look at the session, so any cache may share it</td></tr>
</tbody>
</table></div>
</section>
"#;

const PUBLIC: &str = r#"<section class="hero single">
<div>
<h1>The same for everybody.</h1>
<p class="lead">This page does not look at the session, so the crate does not change its response, whatever cookies you
have: no <code>Set-Cookie</code>, no <code>Vary</code>, no cryptography. The application says
<code>Cache-Control: public, max-age=60</code>, and every cache may keep the page.</p>
<p><a href="/">Back to your session</a></p>
</div>
</section>
"#;

const BAD_NAME: &str = r#"<section class="hero single">
<div>
<h1>A name, please.</h1>
<p class="lead">A name has 1 to 40 characters. Any name will do.</p>
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
