//! Who you are: the sign-in, or what a signed-in visitor sees.

use super::{Visitor, escape};
use crate::terminal::date_time;
use crate::{Item, Login};

pub(super) fn front_door(cookie_came: bool) -> String {
    let still_there = if cookie_came { REFUSED } else { "" };
    format!(
        r#"<section class="hero">
<div>
<h1>This server remembers no one.</h1>
<p class="lead">Sign in, and everything that it knows about you travels in your own cookie. The cookie is sealed: you
cannot read or change it, and it expires by itself. This server has no session table.</p>
{still_there}</div>
<form class="card stack" method="post" action="/sign-in">
<label for="name">Your name</label>
<input id="name" name="name" required maxlength="40" autocomplete="nickname" placeholder="Ada">
<label class="tick"><input type="checkbox" name="remember" value="yes"> Remember me for 14 days after each visit</label>
<button class="primary">Sign in</button>
<p class="small">This is a demo: any name will do, and there is no password.</p>
</form>
</section>
"#
    )
}

const REFUSED: &str = r#"<p class="note">Your browser sent a cookie that does not open as a session. A visitor is told
no more; <strong>the terminal shows why</strong>. The cookie stays in the browser, because a server that does not have a
new key yet must not sign visitors out. Your next sign-in replaces it.</p>
"#;

pub(super) fn welcome(visitor: &Visitor<'_>, token_length: usize) -> String {
    let Visitor {
        login,
        id,
        started,
        ends,
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
<p class="lead">Everything that this server knows about you came with your request, sealed in a cookie of {token_length}
characters. Only the server has the key.</p>
<dl class="facts">
<div><dt>Session</dt><dd><code>{id}</code></dd></div>
<div><dt>Started</dt><dd>{started}</dd></div>
<div><dt>Ends at the latest</dt><dd>{ends}</dd></div>
<div><dt>Remembered</dt><dd>{remembered}</dd></div>
</dl>
<form class="buttons" method="post" action="/sign-out"><button>Sign out</button>
<button formaction="/sign-out-everywhere">Sign out everywhere</button></form>
<p class="small">A sign-out is real: the cookies are removed, and the session’s id is revoked, so copies of the
cookies are worthless too. <em>Everywhere</em> ends every session of this name, in all browsers.</p>
</div>
{basket}</section>
"#,
        name = escape(&login.name),
        started = date_time(*started),
        ends = date_time(*ends),
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
<p class="small">The basket is in the cookie too. Every change seals it again with a fresh salt. The id stays.</p>
</div>
"#
    )
}
