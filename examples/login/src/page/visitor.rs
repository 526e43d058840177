//! Who you are: a guest, who can sign in, or a user.

use super::shop::basket;
use super::{Home, Page, Visitor, answer, document, escape};
use crate::answer::Done;
use crate::terminal::date_time;

/// The upper part of the home page.
pub(super) fn hero(home: &Home<'_>) -> String {
    let length = home.cookies.session.map_or(0, str::len);
    let who = match &home.visitor {
        Some(visitor) => match &visitor.login.name {
            Some(name) => user(visitor, name, length),
            None => guest(&format!("{}{}", guest_lead(length), facts(visitor)), ""),
        },
        None => guest(STRANGER, if home.cookies.session.is_some() { REFUSED } else { "" }),
    };
    format!(
        "<div class=\"hero\">\n<div>\n{}{who}</div>\n{}</div>\n",
        said(home),
        basket(home),
    )
}

/// The answer to a sign-in or a sign-out.
fn said(home: &Home<'_>) -> String {
    let login = home.visitor.as_ref().map(|visitor| visitor.login);
    let is_signed_in = login.is_some_and(|login| login.name.is_some());
    // Whoever still has a cookie, even one that does not open, has not just signed out.
    let has_cookie = home.cookies.session.is_some();
    match home.done {
        Some(Done::SignedOut) if !has_cookie => answer(SIGNED_OUT),
        Some(Done::SignedOutEverywhere) if !has_cookie => answer(SIGNED_OUT_EVERYWHERE),
        Some(Done::BasketKept) if login.is_some_and(|login| is_signed_in && !login.basket.is_empty()) => answer(KEPT),
        _ => String::new(),
    }
}

const SIGNED_OUT: &str = "You are signed out. The cookies that your browser had are removed, and the session is \
                          revoked: a copy of them opens nothing.";

const SIGNED_OUT_EVERYWHERE: &str = "You are signed out in all browsers. Every session of your name that started \
                                     before has ended, and this server keeps no list of them.";

const KEPT: &str = "You are signed in, and your basket came along. The session has a new id, and the guest’s is revoked: \
                    a copy of the guest’s cookie is worth nothing.";

fn guest(lead: &str, note: &str) -> String {
    let form = form("/sign-in", "");
    format!("<h1>This server remembers no one.</h1>\n{lead}{note}{form}")
}

const STRANGER: &str = r#"<p class="lead">Sign in, and who you are and what is in your basket travels in your own cookie.
The cookie is sealed: you cannot read or change it, and it expires by itself. This server has no session table.</p>
"#;

fn guest_lead(length: usize) -> String {
    format!(
        r#"<p class="lead">You are a guest with a basket. It came with your request, sealed in a cookie of {length}
characters. Sign in, and you keep it.</p>
"#
    )
}

const REFUSED: &str = r#"<p class="note">Your browser sent a cookie that does not open as a session. A visitor is told
no more: <a href="/operator">the operator’s page</a> shows why, and so does the terminal. The cookie stays in the
browser, because a server that does not have a new key yet must not sign visitors out. A sign-in replaces it.</p>
"#;

/// Without an action the form is sent to the address of its page, with the `next` in it.
fn form(action: &str, error: &str) -> String {
    let action = if action.is_empty() {
        String::new()
    } else {
        format!(" action=\"{action}\"")
    };
    let (described, error) = match error {
        "" => ("", String::new()),
        error => (
            " aria-invalid=\"true\" aria-describedby=\"wrong\"",
            format!("<p class=\"wrong\" id=\"wrong\">{error}</p>\n"),
        ),
    };
    format!(
        r#"<form class="card stack" method="post"{action}>
<label for="name">Your name</label>
<input id="name" name="name" required maxlength="40" autocomplete="nickname"{described}>
{error}<label class="tick"><input type="checkbox" name="remember" value="yes"> Remember me for 14 days after each visit</label>
<button class="primary">Sign in</button>
<p class="small">This is a demo: any name will do, and there is no password.</p>
</form>
"#
    )
}

/// The page to which guests are sent, and the answer to a name that is not allowed.
pub(crate) fn sign_in(is_refused: bool) -> Page {
    let (title, heading, error) = match is_refused {
        true => (
            "A name, please",
            "A name, please.",
            "A name has 1 to 40 characters. Any name will do.",
        ),
        false => ("Sign in", "Sign in first.", ""),
    };
    let body = format!(
        r#"<section class="hero single">
<div>
<h1>{heading}</h1>
<p class="lead">You go on to the page that you asked for, or to the home page. A guest’s basket comes along.</p>
{}</div>
</section>
"#,
        form("", error)
    );
    document(title, &body)
}

fn user(visitor: &Visitor<'_>, name: &str, length: usize) -> String {
    format!(
        r#"<h1>Hello, {name}.</h1>
<p class="lead">Who you are and what is in your basket came with your request, sealed in a cookie of {length}
characters. Only the server has the key.</p>
{facts}<form class="buttons" method="post" action="/sign-out"><button>Sign out</button>
<button formaction="/sign-out-everywhere">Sign out everywhere</button></form>
<p class="small">A sign-out is real: the cookies are removed, and the session’s id is revoked, so copies of the
cookies are worthless too. <em>Everywhere</em> ends every session of this name, in all browsers.</p>
"#,
        name = escape(name),
        facts = facts(visitor),
    )
}

fn facts(visitor: &Visitor<'_>) -> String {
    let remembered = match (&visitor.login.name, visitor.remembered) {
        (None, _) => "",
        (Some(_), true) => "<div><dt>Remembered</dt><dd>Yes, the cookies outlive the browser</dd></div>\n",
        (Some(_), false) => "<div><dt>Remembered</dt><dd>No, the cookies end with the browser</dd></div>\n",
    };
    format!(
        r#"<dl class="facts">
<div><dt>Session</dt><dd><code>{}</code></dd></div>
{remembered}<div><dt>Started</dt><dd>{}</dd></div>
<div><dt>Expires at the latest</dt><dd>{}</dd></div>
</dl>
"#,
        visitor.id,
        date_time(visitor.started),
        date_time(visitor.expires),
    )
}
