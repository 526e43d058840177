//! The cookies in your browser, byte by byte, and a way to break one.

use std::fmt::Write;

use super::{Home, Visitor, escape};
use crate::terminal::date_time;
use crate::token_view::{Access, Segment, TokenView};

pub(super) fn cookies(home: &Home<'_>, session_token: Option<&TokenView>) -> String {
    let name = home.cookie_name;
    let mut html = String::from("<section>\n<h2>What your browser holds</h2>\n");
    let Some(token) = session_token else {
        html += "<p>There is no session: while you are signed out, this page needs no cookie and sets none. Sign in, \
                 and it shows every byte of your cookies.</p>\n</section>\n";
        return html;
    };
    html += KEY_TO_BADGES;
    let title = match &home.visitor {
        Some(_) => "The session: who you are, and when it ends at the latest",
        None => "A cookie that claims to be a session",
    };
    let opened = home.visitor.as_ref().map_or(String::new(), opened);
    html += &token_card(title, name, home.session_token.unwrap_or_default(), token, &opened);
    if let (Some(text), Some(token)) = (home.activity_token, home.activity_token.and_then(TokenView::of)) {
        let title = "The activity: that you were here recently";
        html += &token_card(title, &format!("{name}-seen"), text, &token, ACTIVITY);
    }
    if let (Some(text), Some(token)) = (home.proof_token, home.proof_token.and_then(TokenView::of)) {
        let title = "The proof: that your device was here a moment ago";
        html += &token_card(title, &format!("{name}-proof"), text, &token, PROOF);
    }
    html + "</section>\n"
}

const KEY_TO_BADGES: &str = r#"<p class="badges"><span class="badge readable">readable</span> by everyone who sees
the cookie
<span class="badge proof">proof</span> only the key makes and checks it
<span class="badge sealed">sealed</span> only the key reads it</p>
"#;

const ACTIVITY: &str = r#"<p class="small">A visit sends only this small cookie, at most once in a tenth of the idle
timeout. So a visit can neither overwrite a basket that another tab has just changed nor bring back a session that has
ended.</p>
"#;

const PROOF: &str = r#"<p class="small">Your browser gets it for a signature by a key that never leaves your device. A
copy of all three cookies works until this one ends. Only your browser gets another one.</p>
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

/// Of longer segments the further bytes are counted, not shown.
const SHOWN: usize = 96;

fn hex(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x} ")).collect();
    if bytes.len() > SHOWN {
        text += &format!("… {} more", bytes.len() - SHOWN);
    }
    text.trim_end().to_owned()
}

/// The content of the sealed state: the server can show it because it has the key.
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

pub(super) const ATTACK: &str = r#"<section>
<h2>Be the attacker</h2>
<div class="card stack">
<p>Each button changes one bit of your session cookie, like an attacker who wants to be another user. On the next page
you are signed out, whichever bit it was, and the terminal shows why. The same button again flips the bit back, and your
session opens as before.</p>
<form class="buttons" method="post" action="/flip">
<button name="part" value="head">Flip a bit of the session id</button>
<button name="part" value="state">Flip a bit of the sealed state</button>
</form>
</div>
</section>
"#;
