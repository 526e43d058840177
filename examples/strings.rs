//! A login, a visit and a logout without any framework: strings come in, strings go out.
//!
//! `cargo run --example strings`

use std::error::Error;
use std::io::{self, Write};

use sealed_session::{Key, KeyRing, RequestFields, Session, Sessions};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
    name: String,
}

type Headers = Vec<(String, String)>;

fn main() -> Result<(), Box<dyn Error>> {
    round_trip(&mut io::stdout())
}

/// What server and browser say to each other, written to `out`.
pub(crate) fn round_trip(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // A server would read its keys with `KeyRing::from_env("SESSION_KEYS")?`, so that they outlive it.
    let keys = KeyRing::new(Key::generate()?);
    let sessions = Sessions::<Login>::builder(keys).audience("strings-example").build()?;

    writeln!(out, "POST /login")?;
    let mut session = sessions.load(RequestFields::default());
    session.start(Login {
        user: 7,
        name: "Ada".to_owned(),
    })?;
    let headers = respond(&session, "303 See Other", out)?;

    // The browser keeps both cookies and sends them with every request, among those of others.
    let cookies = format!("theme=dark; {}", kept_cookies(&headers));

    writeln!(out, "GET / with the cookies")?;
    let session = sessions.load(RequestFields::from_cookies([cookies.clone()]));
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
    let mut session = sessions.load(RequestFields::from_cookies([cookies]));
    // A copy of the cookie that somebody else kept is worth nothing from now on.
    session.end()?;
    let headers = respond(&session, "303 See Other", out)?;
    writeln!(out, "the browser keeps: {:?}", kept_cookies(&headers))?;
    Ok(())
}

/// Finishes the session and sends the header block.
fn respond(session: &Session<Login>, status: &str, out: &mut impl Write) -> Result<Headers, Box<dyn Error>> {
    let mut headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    let code = status.split(' ').next().unwrap_or_default().parse()?;
    session.finish(code, &mut headers);
    writeln!(out, "  {status}")?;
    for (name, value) in &headers {
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(headers)
}

/// What a browser keeps of the response, as the `Cookie` field of its next request.
fn kept_cookies(headers: &Headers) -> String {
    let lines = headers.iter().filter(|(name, _)| name == "Set-Cookie");
    let kept = lines.filter(|(_, line)| !line.contains("Max-Age=0"));
    let pairs: Vec<&str> = kept.filter_map(|(_, line)| line.split(';').next()).collect();
    pairs.join("; ")
}
