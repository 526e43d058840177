//! The actix example, as its visitors see it.

#[path = "../../../examples/actix.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod program;

use actix_web::App;
use actix_web::http::header::COOKIE;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use sealed_session::actix::SessionMiddleware;
use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, Sessions};

#[tokio::test]
async fn it_signs_in_keeps_a_write_with_a_400_and_signs_out() {
    let mut ada = Browser::new();
    let keys = KeyRing::new(Key::generate().unwrap());
    let sessions = Sessions::<String>::builder(keys).clock(ada.clock()).build().unwrap();
    let middleware = SessionMiddleware::new(sessions);
    let app = init_service(App::new().configure(program::routes).wrap(middleware)).await;
    let ask = async |browser: &mut Browser, request: TestRequest| {
        let request = request.insert_header((COOKIE, browser.cookie_field()));
        let response = call_service(&app, request.to_request()).await;
        browser.receive(response.headers());
        let status = response.status().as_u16();
        let body = read_body(response).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let get = |path| TestRequest::get().uri(path);
    let post = |path, text: &'static str| TestRequest::post().uri(path).set_payload(text);
    let answer = |status, body: &str| (status, body.to_owned());

    assert_eq!(ask(&mut ada, get("/")).await, answer(401, "sign in first"));
    assert_eq!(ask(&mut ada, post("/name", "Eve")).await, answer(401, "sign in first"));
    assert_eq!(
        ask(&mut ada, get("/sign-in")).await.0,
        404,
        "a link cannot sign a visitor in"
    );

    assert_eq!(ask(&mut ada, post("/sign-in", "Ada")).await, answer(200, "signed in"));
    assert_eq!(ask(&mut ada, get("/")).await, answer(200, "hello, Ada"));
    assert_eq!(ask(&mut ada, post("/name", "Lady Ada")).await, answer(200, "Lady Ada"));

    let too_long = post("/name", "Augusta Ada King, Countess of Lovelace");
    let refused = answer(400, "too long; it is kept all the same");
    assert_eq!(ask(&mut ada, too_long).await, refused);
    let kept = answer(200, "hello, Augusta Ada King, Countess of Lovelace");
    assert_eq!(ask(&mut ada, get("/")).await, kept);

    let mut thief = ada.clone();
    assert_eq!(ask(&mut ada, post("/sign-out", "")).await, answer(200, "signed out"));
    assert_eq!(ada.cookie_field(), "");
    assert_eq!(ask(&mut ada, get("/")).await, answer(401, "sign in first"));
    assert_eq!(ask(&mut thief, get("/")).await, answer(401, "sign in first"));
}
