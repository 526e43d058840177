//! The operator's page: the ring, the revocations, the events.

use sealed_session::keys::Role;
use time::OffsetDateTime;

use super::{Page, answer, document, escape};
use crate::answer::Done;
use crate::journal::{Events, Line};
use crate::key_file::Held;
use crate::terminal::{date_time, time_of_day};
use crate::token_view::TokenView;

/// What the operator's page shows.
pub(crate) struct Operations<'a> {
    pub(crate) done: Option<Done>,
    /// Known only after an operation.
    pub(crate) is_signed_in: bool,
    pub(crate) session_token: Option<&'a str>,
    pub(crate) ring: &'a [Held],
    pub(crate) is_shared: bool,
    pub(crate) revoked: usize,
    pub(crate) cut_off: Option<OffsetDateTime>,
    pub(crate) events: &'a Events,
}

pub(crate) fn operator(operations: &Operations<'_>) -> Page {
    let since = operations.events.since;
    let body = format!(
        r#"<section class="hero single">
<div>
{said}<h1>The operator’s page.</h1>
<p class="lead">What this server knows of its sessions: its keys, the sessions that ended before their time, and what
happened since it started at {started}. In a real application no visitor reaches this page.</p>
</div>
</section>
<section>
<div class="pair">
<div class="card stack">
<h2>The key ring</h2>
{ring}{rotate}</div>
<div class="card stack">
<h2>Sign everybody out</h2>
<dl class="facts">
<div><dt>Cut-off</dt><dd>{cut_off}</dd></div>
<div><dt>Revoked sessions</dt><dd>{revoked}</dd></div>
</dl>
<p>Raises the cut-off to this moment: every session that started earlier ends, wherever its cookie is. The server needs
no list of sessions for this. It takes up to a second, because tokens count whole seconds.</p>
<form method="post" action="/sign-everybody-out"><button class="danger">Sign everybody out</button></form>
<p class="small">{kept}</p>
</div>
</div>
</section>
{events}"#,
        said = said(operations),
        started = date_time(since),
        ring = ring(operations),
        rotate = if operations.is_shared { SHARED } else { ROTATE },
        cut_off = operations.cut_off.map_or_else(|| "none".to_owned(), date_time),
        revoked = operations.revoked,
        kept = if operations.is_shared { KEPT_SHARED } else { KEPT_HERE },
        events = events(operations.events),
    );
    document("Operator", &body)
}

const ROTATE: &str = r#"<p>A rotation adds a new key, which seals from then on; the older keys only open, so
visitors stay signed in. A session is sealed again only when it changes. This ring keeps four keys: whoever has a cookie
under an older one is signed out.</p>
<form method="post" action="/rotate"><button>Rotate the secret</button></form>
"#;

const SHARED: &str = r#"<p>Several servers read this ring, so it is rotated in steps, with
<code>sealed-session ring</code>, as <code>docs/operating.md</code> says. This page shows the ring of this server.</p>
"#;

const KEPT_HERE: &str = "The cut-off and the revoked ids are in the memory of this process and end with it. A real \
                         server stores both and reads them at its start, as this one does if <code>LOGIN_SHARED</code> \
                         names a directory for them.";

const KEPT_SHARED: &str = "The servers share the cut-off and the revoked ids, and read them at their start.";

fn said(operations: &Operations<'_>) -> String {
    let ids: Vec<_> = operations
        .ring
        .iter()
        .map(|held| format!("<code>{}</code>", held.key.id))
        .collect();
    match (operations.done, &ids[..], operations.cut_off) {
        (Some(Done::Rotated), [seals, opens @ ..], _) if !opens.is_empty() => answer(&format!(
            "The secret was rotated: {seals} seals, {} only {}.{}",
            opens.join(", "),
            if opens.len() == 1 { "opens" } else { "open" },
            if operations.is_signed_in {
                " You are still signed in."
            } else {
                ""
            },
        )),
        (Some(Done::EverybodySignedOut), _, Some(cut_off)) => answer(&format!(
            "All sessions that started before {} have ended{}.",
            date_time(cut_off),
            if operations.is_signed_in { "" } else { ", yours too" },
        )),
        _ => String::new(),
    }
}

fn ring(operations: &Operations<'_>) -> String {
    let yours = operations.session_token.and_then(TokenView::of);
    let yours = yours.as_ref().and_then(|token| token.bytes.get(1..5));
    let mut rows = String::new();
    for Held { key, since } in operations.ring {
        let role = match key.role {
            Role::Seal => "seals and opens".to_owned(),
            Role::SealFrom(from) => format!("opens, and seals from {} on", date_time(from)),
            _ => "opens".to_owned(),
        };
        let mark = match yours {
            Some(id) if *id == key.id.to_bytes() => " <small class=\"yours\">your cookie</small>",
            _ => "",
        };
        rows += &format!(
            "<tr{}><th scope=\"row\"><code>{}</code>{mark}</th><td>{role}</td><td>{}</td></tr>\n",
            if key.role == Role::Seal { " class=\"seals\"" } else { "" },
            key.id,
            time_of_day(*since),
        );
    }
    format!(
        r#"<table class="ring">
<thead><tr><th scope="col">Key</th><th scope="col">Role</th><th scope="col">Since</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
"#
    )
}

fn events(events: &Events) -> String {
    let count = |((name, reason), count): (&(&str, Option<&str>), &u64)| {
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        format!("<tr><th scope=\"row\">{name}{reason}</th><td class=\"number\">{count}</td></tr>\n")
    };
    let line = |line: &Line| {
        format!(
            "<tr><td class=\"number\">{}</td><td><span class=\"level {level}\">{level}</span></td><th scope=\"row\">{}</th>\
             <td>{}</td></tr>\n",
            time_of_day(line.time),
            line.name,
            escape(&line.text),
            level = line.level,
        )
    };
    format!(
        r#"<section>
<h2>Events since the start</h2>
<p>An observer of the sessions gets them: for logs, and for counters that alert an operator. They have ids and reasons,
and never a cookie or the data of a session.</p>
<div class="events">
<div class="card stack">
<h3>How many</h3>
<table class="counts">
<thead><tr><th scope="col">Event</th><th scope="col">Count</th></tr></thead>
<tbody>
{counts}</tbody>
</table>
</div>
<div class="card stack">
<h3>The last {last}, in UTC</h3>
<table class="log">
<thead><tr><th scope="col">Time</th><th scope="col">Level</th><th scope="col">Event</th><th scope="col">What happened</th></tr></thead>
<tbody>
{lines}</tbody>
</table>
</div>
</div>
</section>
"#,
        counts = events.counts.iter().map(count).collect::<String>(),
        last = events.last.len(),
        lines = events.last.iter().map(line).collect::<String>(),
    )
}
