//! The example of device binding, as a visitor and a thief see it.

#[path = "../../../examples/device.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod program;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, Sessions};
use testkit::device::{Answered, Device, From, Post};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tower::ServiceExt;

/// The answer to a request of a page of this site.
async fn ask(app: &Router, method: &str, post: &Post) -> Answered {
    let mut request = Request::builder()
        .method(method)
        .uri(&post.path)
        .header("cookie", &post.cookies)
        .header("sec-fetch-site", "same-origin");
    for (name, value) in [
        ("sec-secure-session-id", &post.identifier),
        ("secure-session-response", &post.proof),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let request = request.body(Body::empty()).expect("the paths of the tests are URIs");
    let Ok(response) = app.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 16).await.expect("a small page");
    let lines = parts.headers.iter();
    Answered {
        status: parts.status.as_u16(),
        headers: lines
            .map(|(name, value)| (name.to_string(), value.to_str().expect("visible ASCII").to_owned()))
            .collect(),
        body: String::from_utf8(body.to_vec()).expect("the pages are text"),
    }
}

/// A request of the visitor, with what the browser does before and after it.
async fn send(app: &Router, device: &mut Device, method: &str, path: &str) -> Answered {
    let server = &mut |post: &Post| Some(block_in_place(|| Handle::current().block_on(ask(app, "POST", post))));
    device.before(path, From::Here, server);
    let request = Post {
        path: path.to_owned(),
        cookies: device.browser.cookie_field(),
        identifier: None,
        proof: None,
    };
    let answer = ask(app, method, &request).await;
    device.receive(&answer.headers);
    device.register(server);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_needs_a_new_proof_and_a_thief_cannot_give_it() {
    let browser = Browser::new();
    let keys = KeyRing::new(Key::generate().expect("random bytes"));
    let app = program::app(Sessions::builder(keys).clock(browser.clock())).expect("the configuration is sound");
    let mut ada = Device::new(browser, 0);
    assert_eq!(send(&app, &mut ada, "POST", "/pay").await.status, 401);
    assert_eq!(send(&app, &mut ada, "POST", "/sign-in").await.status, 303);
    assert_eq!(
        send(&app, &mut ada, "GET", "/recovery-codes").await.status,
        403,
        "not proven yet"
    );

    ada.browser.pass(Duration::from_secs(2));
    let home = send(&app, &mut ada, "GET", "/").await;
    assert!(home.body.contains("Some(7), session: Proven"), "{}", home.body);
    let codes = send(&app, &mut ada, "GET", "/recovery-codes").await;
    assert_eq!(codes.body, "the codes of user 7");

    ada.browser.pass(Duration::from_secs(120));
    let mut thief = Device::new(ada.browser.clone(), 1);
    let expected = [
        (&mut ada, 200, "user 7 has paid"),
        (&mut thief, 403, "this needs a new proof of your device; try again"),
    ];
    for (device, status, body) in expected {
        assert_eq!(send(&app, device, "POST", "/pay").await.status, 307);
        let again = send(&app, device, "POST", "/pay").await;
        assert_eq!((again.status, again.body.as_str()), (status, body));
    }
}
