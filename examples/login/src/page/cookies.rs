//! The cookies in your browser, byte by byte, and a way to break one. A real page never has its cookies in it: a script
//! could read them there, which `HttpOnly` prevents.

use std::fmt::Write;

use super::{Home, Visitor, answer, escape};
use crate::answer::Done;
use crate::terminal::date_time;
use crate::token_view::{Access, Part, Segment, TokenView};

pub(super) fn cookies(home: &Home<'_>) -> String {
    let cookies = &home.cookies;
    let name = cookies.name;
    let mut html = String::from("<section>\n<h2>What your browser holds</h2>\n");
    let Some((text, token)) = token(cookies.session) else {
        return html + NOTHING + "</section>\n";
    };
    html += KEY_TO_BADGES;
    let title = match &home.visitor {
        Some(_) => "The session: who you are, and when it expires at the latest",
        None => "A cookie that claims to be a session",
    };
    let opened = home.visitor.as_ref().map_or(String::new(), opened);
    html += &format!(
        "<article class=\"card\">\n{}{}{}{}{}{opened}</article>\n",
        heading(title, name, text, &token),
        said(home, &token),
        dump(text, &token, cookies.flipped),
        attack(cookies.flipped),
        table(&token),
    );
    for (title, suffix, text, below) in [
        (
            "The activity: that you were here recently",
            "seen",
            cookies.activity,
            ACTIVITY,
        ),
        (
            "The proof: that your device was here a moment ago",
            "proof",
            cookies.proof,
            PROOF,
        ),
    ] {
        if let Some((text, token)) = self::token(text) {
            html += &format!(
                "<article class=\"card\">\n{}{}<details><summary>What the bytes mean</summary>\n{}</details>\n{below}</article>\n",
                heading(title, &format!("{name}-{suffix}"), text, &token),
                dump(text, &token, None),
                table(&token),
            );
        }
    }
    html + "</section>\n"
}

const NOTHING: &str = r#"<p>Nothing from this server that is a session. While you have none, this page needs no cookie
and sets none. Sign in or fill the basket, and it shows every byte of your cookies.</p>
"#;

fn token(text: Option<&str>) -> Option<(&str, TokenView)> {
    Some((text?, TokenView::of(text?)?))
}

/// The answer to a flipped bit, as long as it is flipped.
fn said(home: &Home<'_>, token: &TokenView) -> String {
    match (home.cookies.flipped, home.done, &home.visitor) {
        (Some(part), _, None) => {
            let at = part.byte();
            let is = token.bytes.get(at).copied().unwrap_or_default();
            answer(&format!(
                "One bit is flipped: byte {at}, in the {}, was <code>{:02x}</code> and is <code>{is:02x}</code>. The cookie \
                 does not open any more, so you have no session.",
                part.segment(),
                is ^ 0x80,
            ))
        }
        (None, Some(Done::Restored), Some(_)) => answer(RESTORED),
        _ => String::new(),
    }
}

const RESTORED: &str = "The bit is flipped back, and your session opens as before. The demo has set the cookie anew, so it \
                        ends with the browser.";

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

fn heading(title: &str, name: &str, text: &str, token: &TokenView) -> String {
    format!(
        r#"<h3>{title}</h3>
<p class="small"><code>{name}</code>, {} bytes, written as {} characters of base64url:</p>
"#,
        token.bytes.len(),
        text.len(),
    )
}

/// The characters of a token, and its bytes in colours.
fn dump(text: &str, token: &TokenView, flipped: Option<Part>) -> String {
    let mut runs = String::new();
    for segment in &token.segments {
        let flipped = flipped.map(Part::byte).filter(|at| segment.range.contains(at));
        let bytes = &token.bytes[segment.range.clone()];
        let bytes = hex(bytes, flipped.map(|at| at - segment.range.start));
        // Writing into a `String` cannot fail.
        let _ = writeln!(
            runs,
            r#"<span class="run {}"><b>{}</b> {bytes}</span>"#,
            class(segment),
            segment.name
        );
    }
    format!("<p class=\"raw\">{}</p>\n<p class=\"dump\">{runs}</p>\n", escape(text))
}

fn class(segment: &Segment) -> String {
    segment.name.replace(' ', "-")
}

fn table(token: &TokenView) -> String {
    format!(
        r#"<table class="parts">
<thead><tr><th scope="col">Bytes</th><th scope="col">Part</th><th scope="col">For others</th><th scope="col">Meaning</th></tr></thead>
<tbody>
{}</tbody>
</table>
"#,
        token.segments.iter().map(row).collect::<String>(),
    )
}

fn row(segment: &Segment) -> String {
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
        r#"<tr><td class="number">{range}</td><th scope="row" class="{}">{}</th><td>{badge}</td><td>{decoded}{}</td></tr>
"#,
        class(segment),
        segment.name,
        segment.meaning,
    )
}

/// Of longer segments the further bytes are counted, not shown.
const SHOWN: usize = 96;

fn hex(bytes: &[u8], marked: Option<usize>) -> String {
    let byte = |(at, byte): (usize, &u8)| match marked {
        Some(marked) if marked == at => format!("<mark>{byte:02x}</mark> "),
        _ => format!("{byte:02x} "),
    };
    let mut text: String = bytes.iter().enumerate().take(SHOWN).map(byte).collect();
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

/// A button for each part; with a flipped bit only the one that flips it back.
fn attack(flipped: Option<Part>) -> String {
    let button = |part: Part| {
        let (verb, disabled) = match flipped {
            None => ("Flip a bit of", ""),
            Some(flipped) if flipped == part => ("Flip it back in", ""),
            Some(_) => ("Flip a bit of", " disabled"),
        };
        format!(
            "<button name=\"part\" value=\"{}\"{disabled}>{verb} the {}</button>\n",
            part.word(),
            part.segment(),
        )
    };
    format!(
        r#"<form class="attack" method="post" action="/flip">
<h4>Be the attacker</h4>
<p>{}</p>
<div class="buttons">
{}</div>
</form>
"#,
        if flipped.is_some() { FLIPPED } else { ATTACK },
        Part::ALL.map(button).concat(),
    )
}

const ATTACK: &str = "Change one bit of this cookie, like somebody who wants to be another user. You have no session \
                      then, whichever bit it was, until you flip it back.";

const FLIPPED: &str = "The marked byte is the altered one. Flip it back, and you can try the other part. The demo \
                       notes in a cookie of its own which one it was.";
