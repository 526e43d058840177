//! What a middleware does to the responses of its framework, over real HTTP.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, VARY};
#[cfg(feature = "device")]
use sealed_session::device::DeviceBinding;
use sealed_session::{Event, RequireSession, Session, WriteError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use testkit::http::{Answer, Wire};

use super::framework::{self, Middleware, Server};
use crate::frameworks::{Reply, SENSITIVE};
use crate::visits::{ACTIVITY, Login, SESSION, builder, cookies, observed, sessions, signed_in};

#[derive(Serialize, Deserialize)]
struct Basket {
    items: Vec<String>,
}

// --- Helpers. ---

fn named<T: Serialize + DeserializeOwned + Send + Sync + 'static>(name: &str) -> Middleware<T> {
    let sessions = builder().cookie_name(name).build();
    Middleware::new(sessions.expect("the configuration is sound"))
}

async fn ask(server: &Server, path: &str, cookies: &str) -> Answer {
    ask_from(server, path, cookies, "").await
}

async fn ask_from(server: &Server, path: &str, cookies: &str, device: &str) -> Answer {
    let request = hyper::Request::builder()
        .uri(path)
        .header(HOST, "127.0.0.1")
        .header("x-device", device);
    let request = match cookies {
        "" => request,
        cookies => request.header(COOKIE, cookies),
    };
    let request = request.body(http_body_util::Full::default());
    let wire = Wire::new(server.address());
    wire.send(request.expect("the tests' paths are URIs")).await
}

#[track_caller]
fn assert_page(answer: &Answer, status: StatusCode, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
}

/// The middleware has changed nothing in the response.
#[track_caller]
fn assert_untouched(answer: &Answer) {
    for name in [SET_COOKIE, CACHE_CONTROL, VARY] {
        assert_eq!(answer.line(name.as_str()), None, "{name}");
    }
}

/// A browser that guesses types must not take a text of this crate for a page.
#[track_caller]
fn assert_plain_text(answer: &Answer) {
    assert_eq!(answer.line(CONTENT_TYPE.as_str()), Some("text/plain; charset=utf-8"));
}

#[track_caller]
fn assert_mistake(answer: &Answer, sentence: &str) {
    assert_page(answer, StatusCode::INTERNAL_SERVER_ERROR, sentence);
    assert_plain_text(answer);
    assert_untouched(answer);
}

async fn who(session: Session<Login>) -> Reply {
    Reply::from(match session.get() {
        Some(login) => format!("user {}", login.user),
        None => "guest".to_owned(),
    })
}

async fn guarded(session: RequireSession<Login>) -> Reply {
    who(Session::clone(&session)).await
}

async fn sign_in(mut session: Session<Login>) -> Result<Reply, WriteError> {
    session.start(Login { user: 7 })?;
    Ok(Reply::from("welcome"))
}

// --- Mistakes in how middlewares are put together. ---

#[tokio::test]
async fn two_layers_for_one_type_are_a_mistake_with_a_sentence() {
    let (inner, outer) = (named::<Login>("__Host-inner"), named::<Login>("__Host-outer"));
    let server = framework::serve!((), [get "/" who, get "/guarded" guarded], inner, outer);
    let data = std::any::type_name::<Login>();
    let sentence = format!("two session layers for `{data}` are around this route; remove one of them");
    for path in ["/", "/guarded"] {
        assert_mistake(&ask(&server, path, "").await, &sentence);
    }
}

#[tokio::test]
async fn two_types_under_one_cookie_name_are_a_mistake_with_a_sentence() {
    let sentence = format!(
        "the session layer for `{}` uses the cookie of another session layer around this route; give one of them \
         another `cookie_name`",
        std::any::type_name::<Login>()
    );
    for (inner, outer) in [
        ("__Host-id", "__Host-id"),
        ("__Host-id-seen", "__Host-id"),
        ("__Host-id", "__Host-id-seen"),
    ] {
        let (inner, outer) = (named::<Login>(inner), named::<Basket>(outer));
        let between = named::<()>("__Host-between");
        let server = framework::serve!((), [get "/" who], inner, between, outer);
        assert_mistake(&ask(&server, "/", "").await, &sentence);
    }
}

/// Names that only device binding takes.
#[cfg(feature = "device")]
#[tokio::test]
async fn a_cookie_of_device_binding_under_the_name_of_another_layer_is_a_mistake_with_a_sentence() {
    fn bound<T: Serialize + DeserializeOwned + Send + Sync + 'static>(name: &str, path: Option<&str>) -> Middleware<T> {
        let builder = builder().cookie_name(name);
        let builder = match path {
            Some(path) => builder.device_binding(DeviceBinding::at(path)),
            None => builder,
        };
        Middleware::new(builder.build().expect("the configuration is sound"))
    }
    let data = std::any::type_name::<Login>();
    let of_cookies = format!(
        "the session layer for `{data}` uses the cookie of another session layer around this route; give one of them \
         another `cookie_name`"
    );
    let of_paths = format!(
        "the session layer for `{data}` has the device endpoints of another session layer around this route; give one \
         of them another `DeviceBinding::at`"
    );
    let (a, b) = (Some("/a"), Some("/b"));
    let mut table = vec![
        ("__Host-id", a, "__Host-basket", b, None),
        ("__Host-id", a, "__Host-id-other", b, None),
        ("__Host-id", a, "__Host-id-proof-of-age", b, None),
        ("__Host-id", a, "__Host-basket", a, Some(&of_paths)),
        ("__Host-id", a, "__Host-id", b, Some(&of_cookies)),
        ("__Host-id", None, "__Host-id-seen", b, Some(&of_cookies)),
    ];
    for name in ["proof", "asked", "key", "register", "refresh"].map(|suffix| format!("__Host-id-{suffix}")) {
        let name: &str = name.leak();
        table.extend([
            ("__Host-id", a, name, b, Some(&of_cookies)),
            (name, b, "__Host-id", a, Some(&of_cookies)),
            ("__Host-id", a, name, None, Some(&of_cookies)),
            // Only the layer with the shorter name would take it.
            ("__Host-id", None, name, b, None),
            (name, None, "__Host-id", None, None),
        ]);
    }
    for (name, path, other, path_of_other, expected) in table {
        let (inner, outer) = (bound::<Login>(name, path), bound::<Basket>(other, path_of_other));
        let server = framework::serve!((), [get "/" who], inner, outer);
        let answer = ask(&server, "/", "").await;
        match expected {
            Some(sentence) => assert_mistake(&answer, sentence),
            None => assert_page(&answer, StatusCode::OK, "guest"),
        }
    }
}

#[tokio::test]
async fn two_types_under_two_cookie_names_live_side_by_side() {
    async fn both(mut login: Session<Login>, mut basket: Session<Basket>) -> Result<Reply, WriteError> {
        let seen = (login.get().is_some(), basket.get().map(|basket| basket.items.clone()));
        login.start(Login { user: 7 })?;
        let items = vec!["pear".to_owned()];
        basket.start(Basket { items })?;
        Ok(Reply::from(format!("{seen:?}")))
    }
    let (login, basket) = (named::<Login>("__Host-login"), named::<Basket>("__Host-basket"));
    let server = framework::serve!((), [get "/" both], login, basket);
    let first = ask(&server, "/", "").await;
    assert_page(&first, StatusCode::OK, "(false, None)");
    assert_eq!(first.set_cookies().len(), 4);
    let second = ask(&server, "/", &cookies(&first)).await;
    assert_page(&second, StatusCode::OK, "(true, Some([\"pear\"]))");
    assert_eq!(second.vary(), Some("Cookie"));
    assert_eq!(second.cache_control(), Some("private, no-store"));
}

#[tokio::test]
async fn a_forgotten_layer_is_a_mistake_that_names_the_type() {
    let basket = named::<Basket>("__Host-basket");
    let server = framework::serve!((), [get "/" who, get "/guarded" guarded], basket);
    let (data, remedy) = (std::any::type_name::<Login>(), framework::REMEDY);
    let sentence = format!(
        "no session layer for `{data}` is around this route; add `{remedy}`, for this type and after the route"
    );
    for path in ["/", "/guarded"] {
        assert_mistake(&ask(&server, path, "").await, &sentence);
    }
}

// --- Responses. ---

#[tokio::test]
async fn the_session_cookies_are_marked_sensitive_and_nothing_else_is() {
    let layer = Middleware::new(sessions());
    let server = framework::serve!((), [get "/" sign_in, get "/who" who], layer);
    let answer = ask(&server, "/", "").await;
    assert_eq!(answer.cookie_names(), [SESSION, ACTIVITY]);
    assert_eq!(answer.line(SENSITIVE), Some("set-cookie set-cookie"));
    assert_eq!(ask(&server, "/who", "").await.line(SENSITIVE), Some(""));
}

#[tokio::test]
async fn our_earlier_cookies_are_replaced_and_foreign_ones_stay() {
    async fn mixed(mut session: Session<Login>) -> Result<Reply, WriteError> {
        session.start(Login { user: 7 })?;
        let mut reply = Reply::from("mixed");
        for line in [
            "theme=dark; Path=/",
            "__Host-id=left-over; Path=/; Secure",
            "__Host-ident=foreign; Path=/; Secure",
            "__Host-id-seen=left-over; Path=/; Secure",
            "__host-id=foreign; Path=/; Secure",
        ] {
            reply = reply.with("set-cookie", line);
        }
        Ok(reply
            .with("cache-control", "public, max-age=600")
            .with("vary", "Accept-Language")
            .with("vary", "Accept-Encoding"))
    }
    let layer = Middleware::new(sessions());
    let server = framework::serve!((), [get "/" mixed, get "/who" who], layer);
    let answer = ask(&server, "/", "").await;
    let names = ["theme", "__Host-ident", "__host-id", SESSION, ACTIVITY];
    assert_eq!(answer.cookie_names(), names);
    assert!(!cookies(&answer).contains("left-over"));
    assert_eq!(answer.cache_control(), Some("private, no-store"));
    assert_eq!(answer.vary(), Some("Accept-Language, Accept-Encoding, Cookie"));
    let user = ask(&server, "/who", &cookies(&answer)).await;
    assert_page(&user, StatusCode::OK, "user 7");
}

#[tokio::test]
async fn a_handler_may_finish_the_session_itself() {
    let (sessions, events) = observed();
    let layer = Middleware::new(sessions);
    let by_hand = async |mut session: Session<Login>| {
        session.start(Login { user: 7 }).expect("a small session is kept");
        framework::finish_by_hand(&session, Reply::from("by hand").with_status(201))
    };
    let server = framework::serve!((), [get "/" by_hand, get "/who" who], layer);
    let answer = ask(&server, "/", "").await;
    assert_page(&answer, StatusCode::CREATED, "by hand");
    assert_eq!(answer.cookie_names(), [SESSION, ACTIVITY]);
    assert_eq!(answer.cache_control(), Some("private, no-store"));
    assert_eq!(answer.vary(), Some("Cookie"));
    // The middleware finishes it a second time.
    assert!(matches!(
        events.take()[..],
        [Event::Started { .. }, Event::FinishIgnored]
    ));
    let user = ask(&server, "/who", &cookies(&answer)).await;
    assert_page(&user, StatusCode::OK, "user 7");
}

#[tokio::test]
async fn a_session_that_is_too_large_is_an_error_where_it_is_written() {
    async fn hoard(mut session: Session<Basket>) -> Result<Reply, WriteError> {
        let items = vec!["x".repeat(5000)];
        session.start(Basket { items })?;
        Ok(Reply::from("kept"))
    }
    let layer = named::<Basket>("__Host-basket");
    let server = framework::serve!((), [get "/" hoard], layer);
    let answer = ask(&server, "/", "").await;
    // Nothing of the data is shown.
    let sentence = "the session could not be kept";
    assert_page(&answer, StatusCode::INTERNAL_SERVER_ERROR, sentence);
    assert_plain_text(&answer);
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.vary(), Some("Cookie"));
}

#[tokio::test]
async fn an_untouched_request_is_left_alone_with_whatever_cookies() {
    async fn untaken() -> Reply {
        Reply::from("static").with("content-type", "text/html")
    }
    async fn taken_only(_: Session<Login>) -> Reply {
        untaken().await
    }
    let (sessions, events) = observed();
    let layer = Middleware::new(sessions.clone());
    let server = framework::serve!((), [get "/" untaken, get "/taken" taken_only], layer);
    let garbage = [
        String::new(),
        "__Host-id=".to_owned(),
        format!("__Host-id={}", "A".repeat(100_000)),
        "__Host-id=AAAA; ".repeat(1000),
        format!("{}; __Host-id=%%%", signed_in(&sessions, 7)),
    ];
    events.take();
    for cookies in &garbage {
        for path in ["/", "/taken"] {
            let answer = ask(&server, path, cookies).await;
            assert_page(&answer, StatusCode::OK, "static");
            assert_untouched(&answer);
            assert_eq!(answer.line(CONTENT_TYPE.as_str()), Some("text/html"));
        }
    }
    assert_eq!(events.take(), []);
}

#[tokio::test]
async fn a_session_bound_by_the_layer_opens_under_the_same_value_only() {
    let layer = framework::bound(sessions());
    let server = framework::serve!((), [get "/login" sign_in, get "/" who], layer);
    let answer = ask_from(&server, "/login", "", "one").await;
    for (device, expected) in [("one", "user 7"), ("two", "guest"), ("", "guest")] {
        let page = ask_from(&server, "/", &cookies(&answer), device).await;
        assert_page(&page, StatusCode::OK, expected);
    }
}
