//! What operators do: rotate the secret, sign everybody out.

use sealed_session::keys::{KeyDescription, Role};

use super::Home;
use crate::token_view::TokenView;

pub(super) fn operations(home: &Home<'_>, session_token: Option<&TokenView>) -> String {
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
<p>Raises the cut-off to this moment: every session that started earlier ends, wherever its cookie is. The server needs
no list of sessions for this. It takes up to a second, because tokens count whole seconds.</p>
<form method="post" action="/sign-everybody-out"><button class="danger">Sign everybody out</button></form>
<p class="small">The cut-off and the revoked ids are in the memory of this process and end with it, unless
<code>LOGIN_SHARED</code> names a directory for them. A real server stores both and loads them at its start.</p>
</div>
</div>
</section>
"#
    )
}

const ROTATE: &str = r#"<p>From now on a new key seals, and the older keys only open. No visitor is signed
out, and a session is sealed again only when it changes. This ring keeps four keys; cookies under older keys no longer
open.</p>
<form method="post" action="/rotate"><button>Rotate the secret</button></form>
"#;

const SHARED: &str = r#"<p>Several servers read this ring, so it is rotated in steps, with
<code>sealed-session ring</code>, as <code>docs/operating.md</code> says. This page shows the ring of this server.</p>
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
