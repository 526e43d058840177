//! The device to which a session is bound, and a thief with a copy of its cookies.

use time::OffsetDateTime;

use super::{Page, Section, document, escape};
use crate::Login;
use crate::device::{LIFETIME, Theft, WITHIN};
use crate::terminal::date_time;

/// `proven` is when the device proved itself; `None` if the session is bound to none.
pub(crate) fn about(proven: Option<OffsetDateTime>, started: OffsetDateTime, now: OffsetDateTime) -> Section {
    // Browsers make the key while the first page is shown.
    let reloads = proven.is_none() && seconds(started, now) < 4;
    let state = match proven {
        Some(proven) => format!(
            r#"<p><span class="badge proof">bound</span> Only your device keeps this session alive. It proved itself at
{}, {} ago. The proof is valid for {} seconds. Your browser drops it after {}, and makes another one before its next
request.</p>
"#,
            date_time(proven),
            count(seconds(proven, now)),
            LIFETIME.as_secs(),
            LIFETIME.as_secs() - 60,
        ),
        None if reloads => WAITING.to_owned(),
        None => UNBOUND.to_owned(),
    };
    let prove = if proven.is_some() { PROVE } else { "" };
    let html = format!(
        r#"<section>
<h2>Your device</h2>
<div class="card stack">
{state}<form class="buttons" method="post" action="/thief"><button>Copy my cookies as a thief would</button>
{prove}</form>
<p class="small">The thief is this server: it asks itself for this page with the copy, each second. <em>Prove now</em>
needs a proof of the last {} seconds, as a payment should. In a real application proofs are valid for 11 minutes:
browsers sign only six times in nine minutes, a limit that the script for Chromium lifts.</p>
</div>
</section>
"#,
        WITHIN.as_secs(),
    );
    Section { html, reloads }
}

const WAITING: &str = r#"<p><span class="badge readable">not bound yet</span> Your browser was asked to make a key for
this session. One moment.</p>
"#;

const UNBOUND: &str = r#"<p><span class="badge sealed">not bound</span> This session works wherever its cookies are,
since your browser has made no key for it. The terminal shows how to start a Chromium that does.</p>
"#;

const PROVE: &str = r#"<button formaction="/prove">Prove now</button>
"#;

/// The answer where a new proof is asked for.
pub(crate) fn proven(proven: Option<OffsetDateTime>, now: OffsetDateTime) -> Page {
    let (when, age) = proven.map_or_else(Default::default, |proven| {
        (date_time(proven), count(seconds(proven, now)))
    });
    let body = format!(
        r#"<section class="hero single">
<div>
<h1>Your device proved itself.</h1>
<p class="lead">The proof was made at {when}, {age} ago. One older than {} seconds would not have done: then this server
asks for another one, and your browser signs and sends the form again by itself. A thief with your cookies cannot.</p>
<p><a href="/thief">See what the copy gets</a> or <a href="/">go back to your session</a></p>
</div>
</section>
"#,
        WITHIN.as_secs(),
    );
    document("Proven", &body)
}

/// The visitor and the copy side by side. `proof` is when the visitor's device proved itself last.
pub(crate) fn theft(login: &Login, proof: Option<OffsetDateTime>, theft: &Theft, now: OffsetDateTime) -> Page {
    let (title, lead) = match (theft.stranger_since, theft.proven) {
        (Some(since), _) => (
            "The copy is dead.",
            format!(
                "It worked for {}. You are still signed in: your browser has proved your device again, and a thief cannot.",
                count(seconds(theft.copied, since)),
            ),
        ),
        (None, Some(_)) => (
            "A thief has your cookies.",
            format!(
                "The copy works as long as the proof in it: {} seconds. Only your device can make another one.",
                LIFETIME.as_secs(),
            ),
        ),
        (None, None) => (
            "A thief has your cookies.",
            "The session was bound to no device when they were copied, so the copy works until the session ends: sign \
             out, and it is dead."
                .to_owned(),
        ),
    };
    let stopped = if !theft.goes_on && theft.stranger_since.is_none() {
        STOPPED
    } else {
        ""
    };
    let body = format!(
        r#"<section class="hero single">
<div>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{stopped}</div>
</section>
<section>
<div class="pair">
<div class="card stack">
<h2>You</h2>
<dl class="facts">
<div><dt>The home page says</dt><dd>Hello, {}.</dd></div>
<div><dt>Your proof</dt><dd>{}</dd></div>
</dl>
<form class="buttons" method="post" action="/prove">{}<button formaction="/thief">Copy my cookies again</button>
<button formaction="/sign-out">Sign out</button></form>
</div>
<div class="card stack">
<h2>The copy</h2>
<dl class="facts">
<div><dt>The home page says</dt><dd>{}</dd></div>
<div><dt>Its proof</dt><dd>{}</dd></div>
<div><dt>Prove now</dt><dd>{}</dd></div>
</dl>
<p class="small">Made at {}.</p>
</div>
</div>
<p><a href="/">Back to your session</a></p>
</section>
"#,
        escape(login.name.as_deref().unwrap_or_default()),
        age(proof, now),
        if proof.is_some() { PROVE } else { "" },
        // It is HTML already, of a page of this server.
        theft.heading,
        age(theft.proven, now),
        match theft.refused_since {
            None => format!("let in until its proof is older than {} seconds", WITHIN.as_secs()),
            Some(since) => match seconds(theft.copied, since) {
                0 => "refused at once".to_owned(),
                after => format!("refused, {} after the copy was made", count(after)),
            },
        },
        date_time(theft.copied),
    );
    Page {
        reloads: theft.goes_on,
        ..document("A thief", &body)
    }
}

const STOPPED: &str = r#"<p class="note">The thief has stopped asking after three minutes. The copy still works.</p>
"#;

fn age(proof: Option<OffsetDateTime>, now: OffsetDateTime) -> String {
    let Some(proof) = proof else {
        return "none".to_owned();
    };
    let age = seconds(proof, now);
    match LIFETIME.as_secs().checked_sub(age) {
        None | Some(0) => format!("{} old: it has ended", count(age)),
        Some(left) => format!("{} old, valid for {left} more", count(age)),
    }
}

/// From one time to the other, as tokens count: in whole seconds.
fn seconds(from: OffsetDateTime, to: OffsetDateTime) -> u64 {
    u64::try_from(to.unix_timestamp() - from.unix_timestamp()).unwrap_or(0)
}

fn count(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        other => format!("{other} seconds"),
    }
}
