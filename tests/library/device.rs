//! Sessions that are bound to a device, with a browser that does what Chromium does (`testkit::device`).

mod attacks;
mod callbacks;
mod config;
mod finishing;
mod on_demand;
mod refusals;
mod stories;
mod tokens;

use std::time::Duration;

use sealed_session::device::{Answer, DeviceBinding, DeviceState};
use sealed_session::testing::Browser;
use sealed_session::{Builder, Lifetime, RequestFields, Session, SessionState, Sessions};
use serde_json::{Value, json};
use testkit::device::{Answered, Device, From, Post, Reply};
use testkit::{START, ring};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn builder(browser: &Browser) -> Builder<Value> {
    let month = Lifetime::absolute(Duration::from_secs(30 * DAY)).idle(Duration::from_secs(10 * DAY));
    super::builder(ring())
        .audience("shop")
        .clock(browser.clock())
        .remembered(month)
        .device_binding(binding())
}

fn binding() -> DeviceBinding {
    DeviceBinding::at("/device")
}

fn sessions(browser: &Browser) -> Sessions<Value> {
    builder(browser).build().unwrap()
}

/// How the endpoints fail.
#[derive(Clone, Copy)]
enum Outage {
    Status(u16),
    Unreachable,
}

/// The endpoints of these sessions.
fn endpoints(sessions: &Sessions<Value>, outage: Option<Outage>) -> impl FnMut(&Post) -> Reply {
    move |post| {
        let (status, headers, body) = match outage {
            Some(Outage::Unreachable) => return None,
            Some(Outage::Status(status)) => (status, Vec::new(), String::new()),
            None => {
                let fields = RequestFields::from_cookies([post.cookies.clone()]);
                let proof = post.proof.as_deref();
                let answer = match post.path.as_str() {
                    "/device/register" => sessions.register_device(&fields, proof),
                    "/device/refresh" => sessions.refresh_device(&fields, post.identifier.as_deref(), proof),
                    path => panic!("there is no {path}"),
                };
                (answer.status(), headers(&answer), answer.body().to_owned())
            }
        };
        Some(Answered { status, headers, body })
    }
}

fn headers(answer: &Answer) -> Vec<(String, String)> {
    let owned = answer
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.collect()
}

/// What a visitor asks for.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    address: &'a str,
    dest: &'a str,
    from: From<'a>,
}

const PAGE: Request<'_> = Request {
    method: "GET",
    address: "/account?tab=1",
    dest: "document",
    from: From::Here,
};

const FETCH: Request<'_> = Request {
    method: "POST",
    address: "/pay",
    dest: "empty",
    from: From::Here,
};

const LINK: Request<'_> = Request {
    from: From::Host("news.example"),
    ..PAGE
};

fn site(from: From<'_>) -> &'static str {
    match from {
        From::Here => "same-origin",
        From::Host(host) if host.ends_with("shop.example") => "same-site",
        From::Host(_) => "cross-site",
    }
}

/// A visitor whose browser binds sessions.
#[derive(Clone)]
struct Visitor {
    device: Device,
    outage: Option<Outage>,
}

/// What came of a request.
#[derive(Debug)]
struct Visit<R> {
    /// What the handler returned; `None` if another answer was sent and not followed.
    result: Option<R>,
    status: u16,
    /// How many requests it took.
    requests: usize,
    headers: Vec<(String, String)>,
}

impl Visitor {
    fn new() -> Self {
        Self::at(&Browser::at(START), 1)
    }

    /// A visitor who shares a clock. A number always gives the same keys.
    fn at(browser: &Browser, seed: u8) -> Self {
        Self {
            device: Device::new(browser.another(), seed),
            outage: None,
        }
    }

    /// Sends a request and follows the answers of device binding, as a browser does.
    #[track_caller]
    fn visit<R>(
        &mut self,
        sessions: &Sessions<Value>,
        request: Request<'_>,
        mut act: impl FnMut(&mut Session<Value>) -> Result<R, Answer>,
    ) -> Visit<R> {
        let Request {
            method,
            address,
            dest,
            mut from,
        } = request;
        let path = address.split('?').next().unwrap();
        for requests in 1..=5 {
            let mut server = endpoints(sessions, self.outage);
            self.device.before(path, from, &mut server);
            let mut session = sessions.load(self.fields(Request { from, ..request }));
            let answered = match session.prove_first() {
                Some(answer) => Err(answer),
                None => act(&mut session),
            };
            let answer = answered.as_ref().err();
            let status = answer.map_or(200, Answer::status);
            let mut headers = answer.map(headers).unwrap_or_default();
            session.finish(status, &mut headers);
            self.device.receive(&headers);
            self.device.beside(path, from, &mut server);
            self.device.register(&mut server);
            match (answered, status) {
                (Ok(result), _) => {
                    return Visit {
                        result: Some(result),
                        status,
                        requests,
                        headers,
                    };
                }
                // Who began the request stays as it was.
                (_, 307) => assert_repeats(&headers, address),
                // The page loads the same address again.
                (_, 200) => from = From::Here,
                _ => {
                    return Visit {
                        result: None,
                        status,
                        requests,
                        headers,
                    };
                }
            }
            assert!(
                !(method != "GET" && status == 200),
                "a page in the place of a {method} to {dest}"
            );
        }
        panic!("the browser goes in circles");
    }

    fn fields(&self, request: Request<'_>) -> RequestFields {
        let fields = self
            .device
            .browser
            .fields()
            .with_target(request.method, request.address);
        fields
            .with_sec_fetch_dest(request.dest)
            .with_sec_fetch_site(site(request.from))
    }

    /// Looks at a page.
    #[track_caller]
    fn look(&mut self, sessions: &Sessions<Value>) -> (SessionState, DeviceState) {
        self.look_at(sessions, PAGE)
    }

    #[track_caller]
    fn look_at(&mut self, sessions: &Sessions<Value>, request: Request<'_>) -> (SessionState, DeviceState) {
        let visit = self.visit(sessions, request, |session| Ok((session.state(), session.device())));
        visit.result.expect("the handler runs")
    }

    #[track_caller]
    fn sign_in(&mut self, sessions: &Sessions<Value>) {
        let user = json!({ "user": 7, "items": 0 });
        self.visit(sessions, FETCH, |session| {
            session.start(user.clone()).unwrap();
            Ok(())
        });
    }

    /// Signs in and binds the session.
    #[track_caller]
    fn bind(&mut self, sessions: &Sessions<Value>) {
        self.sign_in(sessions);
        self.pass(2);
        assert_eq!(self.look(sessions), PROVEN);
    }

    fn pass(&self, seconds: u64) {
        self.device.browser.pass(Duration::from_secs(seconds));
    }

    /// A copy of the cookies, in a browser that binds nothing.
    fn stolen(&self) -> Browser {
        self.device.browser.clone()
    }
}

const PROVEN: (SessionState, DeviceState) = (SessionState::Valid, DeviceState::Proven);
const UNBOUND: (SessionState, DeviceState) = (SessionState::Valid, DeviceState::Unbound);
const UNPROVEN: (SessionState, DeviceState) = (
    SessionState::Rejected(sealed_session::Reason::Unproven),
    DeviceState::Unproven,
);

/// What a browser that binds nothing gets with these cookies.
fn seen(sessions: &Sessions<Value>, browser: &Browser) -> (SessionState, DeviceState) {
    let session = sessions.load(browser.fields());
    (session.state(), session.device())
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut values = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let (_, value) = values.next()?;
    assert!(values.next().is_none(), "{name} comes once");
    Some(value)
}

/// A 307 leads to the same address, on the same host.
#[track_caller]
fn assert_repeats(headers: &[(String, String)], address: &str) {
    let here = url::Url::parse(&format!("https://shop.example{address}")).unwrap();
    let next = here.join(value(headers, "Location").unwrap()).unwrap();
    assert_eq!((next.host_str(), &next), (Some("shop.example"), &here));
}

/// The names of the cookies that a response sets, and of those that it removes, each in order.
fn cookies(headers: &[(String, String)]) -> (Vec<&str>, Vec<&str>) {
    let lines = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let lines = lines.map(|(_, line)| (line.split('=').next().unwrap(), line.contains("Max-Age=0")));
    let (removed, set): (Vec<_>, Vec<_>) = lines.partition(|(_, is_removed)| *is_removed);
    let names = |lines: Vec<(_, bool)>| lines.into_iter().map(|(name, _)| name).collect();
    (names(set), names(removed))
}
