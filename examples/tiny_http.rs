//! Strings in, header fields out: `cargo run --example tiny_http`, then `curl -c jar -d "" localhost:3000/sign-in`.

use sealed_session::{KeyRing, RequestFields, Sessions};
use tiny_http::{Header, Method, Request, Response, Server};

pub(crate) fn answer(sessions: &Sessions<String>, request: Request) -> std::io::Result<()> {
    let cookies = request.headers().iter().filter(|header| header.field.equiv("Cookie"));
    let cookies = cookies.map(|header| header.value.to_string());
    let mut session = sessions.load(RequestFields::from_cookies(cookies));
    let text = match (request.method(), request.url()) {
        (Method::Get, "/") => Ok(format!("hello, {}", session.get().map_or("guest", |user| user))),
        (Method::Post, "/sign-in") => session.start("Ada".to_owned()).map(|()| "signed in".to_owned()),
        (Method::Post, "/sign-out") => session.end().map(|()| "signed out".to_owned()),
        _ => Ok("the same for everybody".to_owned()),
    };
    let (code, text) = text.map_or_else(|error| (500, error.to_string()), |text| (200, text));
    let mut fields = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    session.finish(code, &mut fields);
    let header = |(name, value): &(String, String)| Header::from_bytes(&**name, &**value);
    let lines = fields.iter().flat_map(header).collect();
    let response = Response::new(code.into(), lines, text.as_bytes(), Some(text.len()), None);
    request.respond(response)
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let keys = KeyRing::from_file_or_new("keys.txt")?;
    let sessions = Sessions::builder(keys).audience("tiny_http").build()?;
    let server = Server::http("127.0.0.1:3000")?;
    let mut requests = server.incoming_requests();
    Ok(requests.try_for_each(|request| answer(&sessions, request))?)
}
