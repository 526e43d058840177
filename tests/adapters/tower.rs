//! The tower layer alone: what it asks of a service, services that fail, and axum middlewares that share the handler's
//! session. What all frameworks promise is in `suites/middlewares.rs`.

use std::future::{Future, Ready, pending, poll_fn, ready};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http_body_util::BodyExt;
use sealed_session::testing::Browser;
use sealed_session::{Event, RequestFields, Session, SessionLayer, Updated, WriteError};
use testkit::http::Answer;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::visits::{ACTIVITY, Login, SESSION, builder, cookies, observed, observed_with, sessions, signed_in};

// --- Helpers. ---

fn request(path: &str, cookies: &str) -> Request {
    let request = Request::builder().uri(path);
    let request = match cookies {
        "" => request,
        cookies => request.header(COOKIE, cookies),
    };
    request.body(Body::empty()).expect("the tests' paths are URIs")
}

async fn ask(app: &Router, path: &str, cookies: &str) -> Answer {
    let Ok(response) = app.clone().oneshot(request(path, cookies)).await;
    answer(response).await
}

async fn answer(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("the body is in memory").to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("the tests' pages are text"),
    }
}

async fn who(session: Session<Login>) -> String {
    match session.get() {
        Some(login) => format!("user {}", login.user),
        None => "guest".to_owned(),
    }
}

// --- What the layer asks of a service. ---

/// Neither `Clone` nor boxed, and its own body, error and future; it must be ready before it is called.
struct Plain {
    ready: bool,
    not_send: PhantomData<*const ()>,
}

/// A body that the layer knows nothing of.
#[derive(Debug, Default, PartialEq, Eq)]
struct PlainBody(&'static str);

impl Service<http::Request<u8>> for Plain {
    type Response = http::Response<PlainBody>;
    type Error = &'static str;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<u8>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without having been polled ready"
        );
        let session = Session::<Login>::from_extensions(request.extensions());
        let mut session = session.expect("the layer is there");
        ready(match (request.into_body(), session.get()) {
            (0, _) => Err("broken"),
            (1, Some(_)) => Ok(http::Response::new(PlainBody("user"))),
            (1, None) => Ok(http::Response::new(PlainBody("guest"))),
            _ => {
                session.start(Login { user: 7 }).expect("a small session is kept");
                Ok(http::Response::new(PlainBody("signed in")))
            }
        })
    }
}

#[tokio::test]
async fn the_inner_service_needs_neither_clone_nor_send_nor_a_boxed_body() {
    let mut service = SessionLayer::new(sessions()).layer(Plain {
        ready: false,
        not_send: PhantomData,
    });
    let mut browser = Browser::new();
    for (body, expected, count) in [(1, "guest", 0), (2, "signed in", 2), (1, "user", 0)] {
        let mut request = http::Request::new(body);
        for cookie in browser.cookies() {
            // One line per cookie, as over HTTP/2.
            let line = HeaderValue::try_from(format!("{}={}", cookie.name, cookie.value));
            request.headers_mut().append(COOKIE, line.expect("visible ASCII"));
        }
        let service = service.ready().await.expect("it is ready");
        let response = service.call(request).await.expect("it answers");
        assert_eq!(*response.body(), PlainBody(expected));
        assert_eq!(response.headers()[VARY], "Cookie");
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), count);
        browser.receive(response.headers());
    }
    let service = service.ready().await.expect("it is ready");
    assert_eq!(service.call(http::Request::new(0)).await.err(), Some("broken"));
}

#[tokio::test]
async fn a_failing_inner_service_keeps_its_error_and_closes_the_session() {
    let (sessions, events) = observed();
    let kept = Arc::new(Mutex::new(None));
    let keeping = Arc::clone(&kept);
    let inner = service_fn(move |request: Request| {
        let mut session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
        session.start(Login { user: 7 }).expect("a small session is kept");
        *keeping.lock().expect("no panic before") = Some(session);
        ready(Err::<Response, _>("the database is gone"))
    });
    let service = SessionLayer::new(sessions).layer(inner);
    let failed = service.oneshot(request("/", "")).await;
    assert_eq!(failed.err(), Some("the database is gone"));
    assert_eq!(events.take(), [Event::WriteDiscarded { status: 500 }]);
    let mut session = kept.lock().expect("no panic before").take().expect("it was called");
    assert_eq!(session.end(), Err(WriteError::TooLate));
    assert_eq!(session.get(), Some(&Login { user: 7 }), "what was there stays readable");
    assert_eq!(events.take(), [Event::WriteTooLate]);
}

#[tokio::test]
async fn a_failing_inner_service_is_never_reported_as_a_sign_in_or_a_sign_out() {
    async fn fail(request: Request) -> Result<Response, &'static str> {
        let mut session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
        match request.uri().path() {
            "/sign-out" => session.end().expect("nothing hinders a sign-out"),
            "/sign-in" => session.start(Login { user: 8 }).expect("a small session is kept"),
            "/read" => assert!(session.get().is_some()),
            "/same" => assert!(matches!(session.update(|_| ()), Ok(Updated::Done(())))),
            _ => {}
        }
        Err("the database is gone")
    }
    let (sessions, events) = observed_with(builder().write_on_server_error(true));
    let lost = Event::WriteDiscarded { status: 500 };
    for path in ["/sign-out", "/sign-in", "/read", "/same", "/"] {
        let cookies = signed_in(&sessions, 7);
        let id = sessions.load(RequestFields::from_cookies([cookies.clone()])).id();
        events.take();
        let expected = match (path, id) {
            // The session has ended, but the browser is not told.
            ("/sign-out", Some(id)) => vec![Event::Revoked { id }, lost.clone()],
            ("/sign-in", _) => vec![lost.clone()],
            _ => vec![],
        };
        let service = SessionLayer::new(sessions.clone()).layer(service_fn(fail));
        let failed = service.oneshot(request(path, &cookies)).await;
        assert_eq!(failed.err(), Some("the database is gone"));
        assert_eq!(events.take(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_cancelled_request_closes_its_session_and_says_what_is_lost() {
    for (path, expected) in [
        ("/sign-out", vec![Event::WriteDiscarded { status: 500 }]),
        ("/read", vec![]),
        ("/", vec![]),
    ] {
        let (sessions, events) = observed();
        let cookies = signed_in(&sessions, 7);
        let id = sessions
            .load(RequestFields::from_cookies([cookies.clone()]))
            .id()
            .expect("signed in");
        events.take();
        let kept = Arc::new(Mutex::new(None));
        let keeping = Arc::clone(&kept);
        let inner = service_fn(move |request: Request| {
            let mut session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
            match request.uri().path() {
                "/sign-out" => session.end().expect("nothing hinders a sign-out"),
                "/read" => assert!(session.get().is_some()),
                _ => {}
            }
            *keeping.lock().expect("no panic before") = Some(session);
            pending::<Result<Response, &'static str>>()
        });
        let service = SessionLayer::new(sessions).layer(inner);
        let mut serving = Box::pin(service.oneshot(request(path, &cookies)));
        let waiting = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let revoked = vec![Event::Revoked { id }];
        assert!(waiting.is_pending());
        assert_eq!(events.take(), if path == "/sign-out" { revoked } else { vec![] });
        drop(serving);
        assert_eq!(events.take(), expected, "{path}");
        let mut session = kept.lock().expect("no panic before").take().expect("it was called");
        assert_eq!(session.start(Login { user: 8 }), Err(WriteError::TooLate), "{path}");
    }
}

#[tokio::test]
async fn a_panicking_request_closes_its_session() {
    for is_caught_inside in [true, false] {
        let (sessions, events) = observed();
        let kept = Arc::new(Mutex::new(None));
        let keeping = Arc::clone(&kept);
        let inner = service_fn(move |request: Request| {
            let mut session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
            session.start(Login { user: 7 }).expect("a small session is kept");
            *keeping.lock().expect("no panic before") = Some(session);
            poll_fn(|_| -> Poll<Result<Response, &'static str>> { panic!("the handler has a bug") })
        });
        let service = SessionLayer::new(sessions).layer(inner);
        let mut serving = Box::pin(service.oneshot(request("/", "")));
        let mut context = Context::from_waker(Waker::noop());
        if is_caught_inside {
            let panicked = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(&mut context)));
            assert!(panicked.is_err() && events.take().is_empty());
            drop(serving);
            assert_eq!(events.take(), [Event::WriteDiscarded { status: 500 }]);
        } else {
            let panicked = catch_unwind(AssertUnwindSafe(move || _ = serving.as_mut().poll(&mut context)));
            assert!(panicked.is_err());
            assert_eq!(events.take(), [], "no observer is called while a panic unwinds");
        }
        let mut session = kept.lock().expect("no panic before").take().expect("it was called");
        assert_eq!(session.end(), Err(WriteError::TooLate));
    }
}

#[tokio::test]
async fn a_service_that_panics_when_it_is_called_closes_its_session_too() {
    let (sessions, _) = observed();
    let kept = Arc::new(Mutex::new(None));
    let keeping = Arc::clone(&kept);
    let inner = service_fn(move |request: Request| -> Ready<Result<Response, &'static str>> {
        let session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
        *keeping.lock().expect("no panic before") = Some(session);
        panic!("the service has a bug")
    });
    let mut service = SessionLayer::new(sessions).layer(inner);
    let panicked = catch_unwind(AssertUnwindSafe(|| _ = service.call(request("/", ""))));
    assert!(panicked.is_err());
    let mut session = kept.lock().expect("no panic before").take().expect("it was called");
    assert_eq!(session.start(Login { user: 7 }), Err(WriteError::TooLate));
}

// --- Handles of one request. ---

#[tokio::test]
async fn the_handles_of_a_middleware_and_a_handler_see_each_others_writes() {
    async fn around(mut session: Session<Login>, request: Request, next: Next) -> Result<Response, WriteError> {
        session.start(Login { user: 1 })?;
        let response = next.run(request).await;
        assert_eq!(session.get(), Some(&Login { user: 2 }), "the handler's write");
        let _ = session.update(|login| login.user += 1)?;
        Ok(response)
    }
    async fn handler(session: Session<Login>, mut other: Session<Login>) -> Result<String, WriteError> {
        let before = session.get().map(|login| login.user);
        let _ = other.update(|login| login.user += 1)?;
        Ok(format!("{before:?}, then {:?}", session.get().map(|login| login.user)))
    }
    let sessions = sessions();
    let app = Router::new()
        .route("/", get(handler))
        .layer(from_fn(around))
        .layer(SessionLayer::new(sessions.clone()));
    let answer = ask(&app, "/", "").await;
    assert_eq!(answer.body, "Some(1), then Some(2)");
    assert_eq!(answer.cookie_names(), [SESSION, ACTIVITY]);
    let app = Router::new().route("/", get(who)).layer(SessionLayer::new(sessions));
    assert_eq!(ask(&app, "/", &cookies(&answer)).await.body, "user 3");
}

#[tokio::test]
async fn a_middleware_that_only_peeks_leaves_responses_cacheable() {
    static LOG: Mutex<Vec<Option<u64>>> = Mutex::new(Vec::new());
    async fn log(session: Session<Login>, request: Request, next: Next) -> Response {
        let user = session.peek().map(|login| login.user);
        LOG.lock().expect("no panic before").push(user);
        next.run(request).await
    }
    let sessions = sessions();
    let app = Router::new()
        .route("/", get(async || ([(CACHE_CONTROL, "public, max-age=600")], "for all")))
        .route("/mine", get(who))
        .layer(from_fn(log))
        .layer(SessionLayer::new(sessions.clone()));
    for cookies in [String::new(), "__Host-id=old".to_owned(), signed_in(&sessions, 7)] {
        let answer = ask(&app, "/", &cookies).await;
        assert_eq!(answer.line(CACHE_CONTROL.as_str()), Some("public, max-age=600"));
        assert_eq!(answer.line(VARY.as_str()), None);
        assert_eq!(answer.line(SET_COOKIE.as_str()), None);
    }
    assert_eq!(*LOG.lock().expect("no panic before"), [None, None, Some(7)]);
    // A handler that reads after it is not overlooked.
    let mine = ask(&app, "/mine", &signed_in(&sessions, 7)).await;
    assert_eq!(mine.line(CACHE_CONTROL.as_str()), Some("private, no-cache"));
}

// --- Device binding. ---

#[cfg(feature = "device")]
mod devices {
    use std::time::Duration;

    use axum::http::header::{LOCATION, VARY};
    use axum::http::{StatusCode, Uri};
    use axum::response::IntoResponse as _;
    use axum::routing::post;
    use sealed_session::device::{DeviceBinding, DeviceState};
    use sealed_session::{DeviceEndpoints, RequireDevice, RequireSession, Sessions};
    use tower_http::compression::CompressionLayer;
    use tower_http::cors::CorsLayer;

    use super::*;

    const OFFER: &str = "secure-session-registration";

    fn bound(browser: &Browser) -> Sessions<Login> {
        let builder = builder()
            .clock(browser.clock())
            .device_binding(DeviceBinding::at("/device"));
        builder.build().expect("the configuration is sound")
    }

    /// The cookies of a session that has proven itself, and that is unproven without the second of them.
    fn proven(sessions: &Sessions<Login>) -> [String; 2] {
        let cookies = sessions.proven_cookie_for(Login { user: 7 });
        let cookies = cookies.expect("a small session is kept");
        let is_proof = |pair: &&str| pair.starts_with("__Host-id-proof=");
        let unproven: Vec<_> = cookies.split("; ").filter(|pair| !is_proof(pair)).collect();
        [cookies.clone(), unproven.join("; ")]
    }

    fn from_site(site: &'static str, mut request: Request) -> Request {
        for (name, value) in [("sec-fetch-dest", "document"), ("sec-fetch-site", site)] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }

    async fn send(app: &Router, request: Request) -> Answer {
        let Ok(response) = app.clone().oneshot(request).await;
        answer(response).await
    }

    #[tokio::test]
    async fn a_service_without_a_framework_gets_no_address_that_is_none() {
        let browser = Browser::new();
        let sessions = bound(&browser);
        let [cookies, _] = proven(&sessions);
        browser.pass(Duration::from_secs(61));
        let service = SessionLayer::new(sessions).layer(service_fn(async |request: Request| {
            let session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
            assert_eq!(session.device(), DeviceState::Proven);
            let asked = session
                .require_proof(Duration::from_secs(60))
                .expect_err("it is too old");
            Ok::<_, &str>(asked.into_response())
        }));
        let unusual = ["/a\u{7f}", "/\u{80}\u{9f}", "/caf\u{e9}?\u{7f}"].map(|target| Uri::try_from(target).ok());
        let usual = ["*", "shop.example:443", "https://shop.example?a=b"];
        let targets = usual.map(|target| Uri::try_from(target).ok());
        for target in unusual.into_iter().chain(targets).flatten() {
            let mut request = from_site("same-origin", request("/", &cookies));
            *request.uri_mut() = target.clone();
            let response = service.clone().oneshot(request).await.expect("it answers");
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{target}");
            assert_eq!(response.headers().get(LOCATION), None, "{target}");
        }
        for (target, location) in [
            ("https://evil.example/pay?to=ada", "./pay?to=ada"),
            ("https://shop.example//evil.example", "./evil.example"),
            ("https://shop.example/orders/", "./"),
        ] {
            let request = from_site("same-origin", request(target, &cookies));
            let response = service.clone().oneshot(request).await.expect("it answers");
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()[LOCATION], location);
        }
    }

    /// The layer sees a path without its beginning, and leads to the whole one.
    #[tokio::test]
    async fn a_layer_inside_of_a_nested_router_repeats_the_request_at_its_own_address() {
        let browser = Browser::new();
        let sessions = bound(&browser);
        let [cookies, _] = proven(&sessions);
        browser.pass(Duration::from_secs(61));
        let pay = async |session: Session<Login>| session.require_proof(Duration::from_secs(60));
        let inner = Router::new()
            .route("/pay/now", get(pay))
            .layer(SessionLayer::new(sessions));
        let app = Router::new().nest("/shop/de", inner);
        let address = "https://shop.example/shop/de/pay/now?to=ada";
        let asked = send(&app, from_site("same-origin", request(address, &cookies))).await;
        let location = asked.line("location").expect("it says where");
        let followed = url::Url::parse(address).and_then(|from| from.join(location));
        assert_eq!(followed.expect("an address").as_str(), address, "{location}");
    }

    #[tokio::test]
    async fn an_address_given_by_hand_cannot_end_a_line() {
        let browser = Browser::new();
        let sessions = bound(&browser);
        let [cookies, _] = proven(&sessions);
        browser.pass(Duration::from_secs(61));
        let ask = |address: &str| {
            let fields = RequestFields::from_cookies([cookies.clone()]).with_sec_fetch_site("none");
            let session = sessions.load(fields.with_target("GET", address));
            let asked = session
                .require_proof(Duration::from_secs(60))
                .expect_err("it is too old");
            asked.into_response().status().as_u16()
        };
        assert_eq!(ask("/a?b=%20\"{}|\\"), 307);
        for address in [
            "/a\r\nx: y",
            "/a\n",
            "/\0",
            "/a b",
            "/caf\u{e9}",
            "/\u{7f}",
            "/\t/a",
            "a",
            "*",
            "",
        ] {
            assert_eq!(ask(address), 403, "{address:?}");
        }
    }

    #[tokio::test]
    async fn a_middleware_that_takes_the_session_sends_the_step_before_itself_and_the_handler() {
        async fn never(_: Session<Login>, _: Request, _: Next) -> Response {
            unreachable!("the browser is to prove itself first")
        }
        async fn peeking(request: Request, next: Next) -> Response {
            let session = Session::<Login>::from_extensions(request.extensions()).expect("the layer is there");
            assert!(session.peek().is_none());
            next.run(request).await
        }
        let sessions = bound(&Browser::new());
        let [_, cookies] = proven(&sessions);
        let handler = async |_: Session<Login>| "never called";
        for app in [
            Router::new().fallback(handler).layer(from_fn(never)),
            Router::new().fallback(handler).layer(from_fn(peeking)),
            Router::new().nest("/a", Router::new().fallback(handler)),
        ] {
            let app = app.layer(SessionLayer::new(sessions.clone()));
            let answer = send(&app, from_site("cross-site", request("/a/b", &cookies))).await;
            assert!(answer.body.contains("http-equiv=\"refresh\""), "{}", answer.body);
            assert_eq!(answer.cache_control(), Some("private, no-store"));
        }
    }

    #[tokio::test]
    async fn an_extractor_of_an_application_can_take_the_rejection_or_leave_it() {
        async fn optional(session: Result<Session<Login>, Response>) -> String {
            format!("{}", session.is_ok())
        }
        async fn guarded(session: Result<RequireSession<Login>, Response>) -> Result<String, Response> {
            session.map(|session| format!("user {}", session.data().user))
        }
        async fn pay(session: RequireDevice<Login>) -> Result<String, Response> {
            session.require_proof(Duration::from_secs(60))?;
            Ok(format!("user {} has paid", session.data().user))
        }
        let sessions = bound(&Browser::new());
        let app = Router::new()
            .route("/optional", get(optional))
            .route("/guarded", get(guarded))
            .route("/pay", get(pay))
            .layer(SessionLayer::new(sessions.clone()));
        let [proven, unproven] = proven(&sessions);
        let step = "One moment";
        for (path, cookies, site, expected) in [
            ("/optional", &unproven, "cross-site", "false"),
            ("/optional", &unproven, "same-origin", "true"),
            ("/guarded", &unproven, "cross-site", step),
            ("/guarded", &proven, "cross-site", "user 7"),
            ("/pay", &unproven, "cross-site", step),
            ("/pay", &proven, "same-origin", "user 7 has paid"),
        ] {
            let answer = send(&app, from_site(site, request(path, cookies))).await;
            assert!(answer.body.contains(expected), "{path}: {}", answer.body);
        }
    }

    #[tokio::test]
    async fn compression_and_cors_around_or_inside_take_nothing_from_offers_and_answers() {
        async fn sign_in(mut session: Session<Login>) -> Result<Response, WriteError> {
            session.start(Login { user: 7 })?;
            Ok((StatusCode::SEE_OTHER, [(LOCATION, "/")], "x".repeat(2000)).into_response())
        }
        async fn pay(session: RequireSession<Login>) -> axum::response::Result<()> {
            session.require_proof(Duration::from_secs(60))?;
            Ok(())
        }
        let browser = Browser::new();
        let sessions = bound(&browser);
        let [cookies, unproven] = proven(&sessions);
        browser.pass(Duration::from_secs(61));
        let routes = Router::new()
            .route("/sign-in", post(sign_in))
            .route("/pay", get(pay))
            .nest_service("/device", DeviceEndpoints::new(sessions.clone()));
        let session = SessionLayer::new(sessions);
        let cors = || CorsLayer::new().allow_origin(["https://shop.example".parse().expect("a field")]);
        for app in [
            routes
                .clone()
                .layer(CompressionLayer::new())
                .layer(cors())
                .layer(session.clone()),
            routes.layer(session).layer(CompressionLayer::new()).layer(cors()),
        ] {
            let with_fields = |mut request: Request| {
                for (name, value) in [("accept-encoding", "gzip"), ("origin", "https://shop.example")] {
                    request.headers_mut().insert(name, HeaderValue::from_static(value));
                }
                request
            };
            let mut request_to_sign_in = with_fields(request("/sign-in", ""));
            *request_to_sign_in.method_mut() = http::Method::POST;
            let Ok(signed_in) = app.clone().oneshot(request_to_sign_in).await;
            assert_eq!(signed_in.headers()["content-encoding"], "gzip", "the layer is there");
            assert!(signed_in.headers().contains_key(OFFER));
            assert_eq!(signed_in.headers()[CACHE_CONTROL], "private, no-store");

            let asked = send(
                &app,
                from_site("same-origin", with_fields(request("/pay?a=b", &cookies))),
            )
            .await;
            assert_eq!(
                (asked.status.as_u16(), asked.line("location")),
                (307, Some("./pay?a=b"))
            );
            assert_eq!(asked.cookie_names(), ["__Host-id-proof", "__Host-id-asked"]);
            assert_eq!(asked.cache_control(), Some("private, no-store"));
            assert!(asked.headers.contains_key(VARY.as_str()));

            let Ok(step) = app
                .clone()
                .oneshot(from_site("cross-site", with_fields(request("/pay", &unproven))))
                .await;
            assert_eq!(
                (step.status(), step.headers()[CACHE_CONTROL].to_str().ok()),
                (StatusCode::OK, Some("private, no-store"))
            );

            let mut preflight = with_fields(request("/device/refresh", ""));
            *preflight.method_mut() = http::Method::POST;
            let refused = send(&app, preflight).await;
            assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, ""));
        }
    }
}
