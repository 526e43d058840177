//! The pages, as HTML without scripts. All text from a visitor goes through [`escape`].

use axum::http::HeaderMap;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, REFRESH};
use axum::response::{Html, IntoResponse, Response};
use sealed_session::SessionId;
use time::OffsetDateTime;

use crate::Login;
use crate::answer::Done;
use crate::attacker::{cookie, flipped};
use crate::token_view::Part;

mod cookies;
#[cfg(feature = "device")]
pub(crate) mod device;
mod operator;
mod public;
mod shop;
mod visitor;

pub(crate) use self::operator::{Operations, operator};
pub(crate) use self::public::public;
pub(crate) use self::shop::orders;
pub(crate) use self::visitor::sign_in;

/// A finished page.
pub(crate) struct Page {
    html: String,
    /// Whether the browser loads it again in a second.
    reloads: bool,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let fields = [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "same-origin"),
        ];
        let reload = self.reloads.then_some([(REFRESH, "1")]);
        (fields, reload, Html(self.html)).into_response()
    }
}

/// No scripts, nothing from elsewhere, and no frames around a page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The style sheet.
pub(crate) async fn style() -> impl IntoResponse {
    let fields = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=60"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (fields, include_str!("style.css"))
}

/// What the home page shows.
pub(crate) struct Home<'a> {
    pub(crate) visitor: Option<Visitor<'a>>,
    pub(crate) done: Option<Done>,
    /// Feature `device`.
    pub(crate) device: Section,
    pub(crate) cookies: Cookies<'a>,
}

/// A part of the home page.
#[derive(Default)]
pub(crate) struct Section {
    html: String,
    /// Whether it will soon say something else.
    reloads: bool,
}

/// A visitor with a session: a user, or a guest with a basket.
pub(crate) struct Visitor<'a> {
    pub(crate) login: &'a Login,
    pub(crate) id: SessionId,
    pub(crate) started: OffsetDateTime,
    pub(crate) expires: OffsetDateTime,
    pub(crate) remembered: bool,
}

/// The cookies of the request, for the picture.
pub(crate) struct Cookies<'a> {
    name: &'a str,
    session: Option<&'a str>,
    activity: Option<&'a str>,
    proof: Option<&'a str>,
    flipped: Option<Part>,
}

impl<'a> Cookies<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, name: &'a str) -> Self {
        Self {
            name,
            session: cookie(headers, name),
            activity: cookie(headers, &format!("{name}-seen")),
            proof: cookie(headers, &format!("{name}-proof")),
            flipped: flipped(headers, name),
        }
    }
}

/// The visitor, the basket, and the cookies byte by byte.
pub(crate) fn home(home: &Home<'_>) -> Page {
    let mut body = visitor::hero(home);
    body += &home.device.html;
    body += &cookies::cookies(home);
    let title = match home.visitor.as_ref().and_then(|visitor| visitor.login.name.as_ref()) {
        Some(name) => &escape(name),
        None => "Welcome",
    };
    Page {
        reloads: home.device.reloads,
        ..document(title, &body)
    }
}

/// There is no such page.
pub(crate) fn not_found() -> Page {
    document("Not found", NOT_FOUND)
}

const NOT_FOUND: &str = r#"<section class="hero single">
<div>
<h1>There is no such page.</h1>
<p><a href="/">Go to your session</a></p>
</div>
</section>
"#;

fn document(title: &str, body: &str) -> Page {
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – sealed-session</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="top"><a class="brand" href="/">sealed-session</a>
<nav aria-label="Pages"><a href="/orders">Orders</a> <a href="/operator">Operator</a> <a href="/public">A public page</a></nav>
</header>
<main>
{body}</main>
</body>
</html>
"#
    );
    Page { html, reloads: false }
}

/// What has happened, where the address of the page leads the browser. Screen readers begin there.
fn answer(html: &str) -> String {
    format!("<p class=\"answer\" id=\"answer\" role=\"status\" tabindex=\"-1\">{html}</p>\n")
}

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
