//! A login, a visit and a logout without any framework: strings come in, strings go out.
//!
//! `cargo run --example strings`

use std::error::Error;
use std::io::{self, Write};

use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, RequestFields, Session, Sessions};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
    name: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    round_trip(&mut io::stdout())
}

/// What server and browser say to each other, written to `out`.
pub(crate) fn round_trip(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // A server would read its keys with `KeyRing::from_env("SESSION_KEYS")?`, so that they outlive it.
    let keys = KeyRing::new(Key::generate()?);
    let sessions = Sessions::<Login>::builder(keys).audience("strings-example").build()?;

    // The other side: it keeps cookies and sends them with every request, among those of others.
    let mut browser = Browser::new();
    browser.put("theme=dark");

    writeln!(out, "POST /login")?;
    let mut session = sessions.load(RequestFields::from_cookies([browser.cookie_field()]));
    session.start(Login {
        user: 7,
        name: "Ada".to_owned(),
    })?;
    browser.receive(&respond(&session, "303 See Other", out)?);

    writeln!(out, "GET / with the cookies")?;
    let session = sessions.load(RequestFields::from_cookies([browser.cookie_field()]));
    match session.get() {
        Some(login) => writeln!(out, "  hello {}, user {}", login.name, login.user)?,
        None => writeln!(out, "  hello stranger: {:?}", session.state())?,
    }
    respond(&session, "200 OK", out)?;

    writeln!(out, "GET / with a cookie that somebody made up")?;
    let session = sessions.load(RequestFields::from_cookies(["__Host-id=made-up"]));
    match session.get() {
        Some(login) => writeln!(out, "  hello {}, user {}", login.name, login.user)?,
        None => writeln!(out, "  hello stranger: {:?}", session.state())?,
    }
    respond(&session, "200 OK", out)?;

    writeln!(out, "POST /logout with the cookies")?;
    let mut session = sessions.load(RequestFields::from_cookies([browser.cookie_field()]));
    // A copy of the cookie that somebody else kept is worth nothing from now on.
    session.end()?;
    browser.receive(&respond(&session, "303 See Other", out)?);
    writeln!(out, "the browser keeps: {}", browser.cookie_field())?;
    Ok(())
}

/// Finishes the session and sends the header block.
fn respond(
    session: &Session<Login>,
    status: &str,
    out: &mut impl Write,
) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    let code = status.split(' ').next().unwrap_or_default().parse()?;
    session.finish(code, &mut headers);
    writeln!(out, "  {status}")?;
    for (name, value) in &headers {
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(headers)
}
