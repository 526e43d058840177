use std::convert::Infallible;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, Response, async_trait};
use sealed_session::headers::ResponseHeaders;
use sealed_session::{RequestFields, Session, Sessions};

use crate::Login;

/// `rocket::build().attach(KeepSession).manage(sessions)`; handlers take `Visitor`.
pub struct KeepSession;

/// The session of a request, as a request guard.
pub struct Visitor(pub Session<Login>);

/// Loaded once per request; every clone is another handle to the same session. `None` if `manage` was forgotten.
fn session<'r>(request: &'r Request<'_>) -> &'r Option<Session<Login>> {
    request.local_cache(|| {
        let lines = request.headers().get("cookie").map(str::to_owned);
        let mut fields = RequestFields::from_cookies(lines.collect::<Vec<String>>());
        if let Some(value) = request.headers().get_one("sec-purpose") {
            fields = fields.with_sec_purpose(value);
        }
        Some(request.rocket().state::<Sessions<Login>>()?.load(fields))
    })
}

#[async_trait]
impl<'r> FromRequest<'r> for Visitor {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        match session(request) {
            Some(session) => Outcome::Success(Self(session.clone())),
            None => Outcome::Forward(Status::InternalServerError),
        }
    }
}

#[async_trait]
impl Fairing for KeepSession {
    fn info(&self) -> Info {
        Info {
            name: "Sessions in sealed cookies",
            kind: Kind::Response,
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Some(session) = session(request) else {
            return;
        };
        session.finish(response.status().code, &mut Lines(response));
    }
}

/// Rocket keeps header fields in a map of its own.
struct Lines<'a, 'r>(&'a mut Response<'r>);

impl ResponseHeaders for Lines<'_, '_> {
    fn for_each_line(&self, line: &mut dyn FnMut(&str, &[u8])) {
        for header in self.0.headers().iter() {
            line(header.name().as_str(), header.value().as_bytes());
        }
    }

    fn retain_lines(&mut self, name: &str, keep: &mut dyn FnMut(&[u8]) -> bool) {
        let lines = self.0.headers().get(name);
        let kept: Vec<String> = lines
            .filter(|value| keep(value.as_bytes()))
            .map(str::to_owned)
            .collect();
        self.0.remove_header(name);
        for value in kept {
            self.0.adjoin_raw_header(name.to_owned(), value);
        }
    }

    fn append_line(&mut self, name: &'static str, value: String, _is_sensitive: bool) {
        self.0.adjoin_raw_header(name, value);
    }
}

#[cfg(test)]
mod tests {
    use rocket::http::{Header, Method};
    use rocket::local::asynchronous::Client;
    use rocket::{get, post, routes};

    use super::*;
    use crate::testing::{Answer, sessions, sign_in_read_sign_out};

    #[get("/")]
    fn home(visitor: Visitor) -> String {
        let user = visitor.0.get().map(|login| format!("user {}", login.user));
        user.unwrap_or_else(|| "nobody".to_owned())
    }

    struct Welcome;

    impl<'r> rocket::response::Responder<'r, 'static> for Welcome {
        fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
            Response::build_from("welcome".respond_to(request)?)
                .raw_header_adjoin("set-cookie", "theme=dark")
                .raw_header_adjoin("set-cookie", "__Host-id=left-over; Path=/; Secure")
                .raw_header("cache-control", "public, max-age=600")
                .ok()
        }
    }

    #[post("/sign-in")]
    fn sign_in(mut visitor: Visitor) -> Welcome {
        let started = visitor.0.start(Login { user: 7 });
        started.expect("a small session is kept");
        Welcome
    }

    #[post("/sign-out")]
    fn sign_out(mut visitor: Visitor) -> &'static str {
        visitor.0.end().expect("nothing hinders a sign-out");
        "bye"
    }

    #[tokio::test]
    async fn rocket_signs_in_reads_and_signs_out() {
        let app = rocket::build()
            .attach(KeepSession)
            .manage(sessions())
            .mount("/", routes![home, sign_in, sign_out]);
        let client = Client::untracked(app).await.expect("it starts");
        sign_in_read_sign_out(async |method, path, cookies| {
            let method: Method = method.parse().expect("a method");
            let request = client.req(method, path).header(Header::new("cookie", cookies));
            let response = request.dispatch().await;
            let lines = response.headers().iter();
            Answer {
                status: response.status().code,
                headers: lines
                    .map(|header| (header.name().as_str().to_lowercase(), header.value().to_owned()))
                    .collect(),
                body: response.into_string().await.expect("a text"),
            }
        })
        .await;
    }
}
