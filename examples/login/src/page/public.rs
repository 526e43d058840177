//! The page that has nothing to do with sessions.

use super::{Page, document};

pub(crate) fn public() -> Page {
    document("A public page", PUBLIC)
}

/// `examples/login/tests/login/visitors.rs` compares the table with the responses.
const PUBLIC: &str = r#"<section class="hero single">
<div>
<h1>The same for everybody.</h1>
<p class="lead">This page does not look at the session, so the crate does not change its response, whatever cookies you
have: no <code>Set-Cookie</code>, no <code>Vary</code>, no cryptography. The application says
<code>Cache-Control: public, max-age=60</code>, and every cache may keep the page.</p>
</div>
</section>
<section>
<h2>What caches are told</h2>
<div class="card"><table>
<thead><tr><th scope="col">Response</th><th scope="col">Header fields that the crate writes</th></tr></thead>
<tbody>
<tr><th scope="row">The home page, without a cookie</th><td><code>Vary: Cookie</code></td></tr>
<tr><th scope="row">The home page, with a cookie that does not open</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-cache</code></td></tr>
<tr><th scope="row">The home page, with a session</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code><br>The
page asks for that itself, so that Back shows nothing after a sign-out.</td></tr>
<tr><th scope="row">Signed in or out, basket changed</th><td><code>Vary: Cookie</code> <code>Cache-Control: private, no-store</code> <code>Set-Cookie</code></td></tr>
<tr><th scope="row">This page</th><td>None. It does not look at the session, so any cache may share it.</td></tr>
</tbody>
</table></div>
</section>
"#;
