//! The shop, as its visitors see it.

#[path = "../../../examples/shop.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod program;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION};
use axum::http::{self, HeaderValue, Request, StatusCode};
use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing, SessionId, Sessions};
use tower::ServiceExt;

const DAY: Duration = Duration::from_secs(86_400);

struct Shop {
    app: Router,
    keys: Arc<KeyRing>,
}

impl Shop {
    /// With its first visitor.
    fn open() -> (Self, Visitor) {
        let browser = Browser::new();
        let keys = Arc::new(KeyRing::new(Key::generate().expect("random bytes")));
        let builder = Sessions::builder(Arc::clone(&keys)).clock(browser.clock());
        let app = program::app(builder).expect("the configuration is sound");
        (Self { app, keys }, Visitor(browser))
    }

    /// The id that `sealed-session inspect` would show.
    fn id(&self, visitor: &Visitor) -> SessionId {
        let sessions = Sessions::<program::Visit>::builder(Arc::clone(&self.keys))
            .audience("shop")
            .clock(visitor.0.clock())
            .build()
            .expect("the configuration is sound");
        sessions.load(visitor.0.fields()).id().expect("a session")
    }
}

#[derive(Clone)]
struct Visitor(Browser);

struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: String,
}

impl Visitor {
    fn another(&self) -> Self {
        Self(self.0.another())
    }

    async fn get(&mut self, shop: &Shop, path: &str) -> Answer {
        self.send(shop, "same-origin", Request::get(path).body(Body::empty()))
            .await
    }

    async fn post(&mut self, shop: &Shop, path: &str, form: &'static str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(shop, "same-origin", request.body(form.into())).await
    }

    async fn send(&mut self, shop: &Shop, site: &'static str, request: http::Result<Request<Body>>) -> Answer {
        let mut request = request.expect("the paths of the tests are URIs");
        for (name, value) in [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let cookies = self.0.cookie_field().parse().expect("cookies are visible ASCII");
        request.headers_mut().insert(COOKIE, cookies);
        let response = shop
            .app
            .clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {});
        self.0.receive(response.headers());
        let location = response.headers().get(LOCATION);
        let location = location.map(|location| location.to_str().expect("visible ASCII").to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 16).await.expect("a small page");
        let body = String::from_utf8(body.to_vec()).expect("the pages are text");
        Answer { status, location, body }
    }

    async fn sign_in(&mut self, shop: &Shop, form: &'static str) {
        self.post(shop, "/sign-in", form).await.assert_sent_to("/");
    }

    async fn assert_orders_of(&mut self, shop: &Shop, name: &str) {
        let answer = self.get(shop, "/orders").await;
        let expected = (StatusCode::OK, format!("orders of {name}"));
        assert_eq!((answer.status, answer.body), expected);
    }

    async fn assert_not_signed_in(&mut self, shop: &Shop) {
        let answer = self.get(shop, "/orders").await;
        answer.assert_sent_to("/sign-in?next=%2Forders");
    }

    async fn assert_cart(&mut self, shop: &Shop, articles: &str) {
        let home = self.get(shop, "/").await;
        assert!(home.body.contains(&format!("cart: {articles}<")), "{}", home.body);
    }
}

impl Answer {
    #[track_caller]
    fn assert_sent_to(&self, location: &str) {
        let answer = (self.status, self.location.as_deref());
        assert_eq!(answer, (StatusCode::SEE_OTHER, Some(location)), "{}", self.body);
    }
}

#[tokio::test]
async fn a_guests_cart_survives_the_sign_in_under_a_new_id() {
    let (shop, mut ada) = Shop::open();
    assert_eq!(ada.get(&shop, "/").await.status, StatusCode::OK);
    assert_eq!(ada.0.cookie_field(), "", "who only looks gets no cookie");
    ada.post(&shop, "/cart/2", "").await.assert_sent_to("/");
    ada.post(&shop, "/cart/1", "").await.assert_sent_to("/");
    ada.assert_cart(&shop, "[2, 1]").await;
    let before = shop.id(&ada);
    ada.sign_in(&shop, "name=ada").await;
    assert_ne!(shop.id(&ada), before);
    ada.assert_cart(&shop, "[2, 1]").await;
    ada.assert_orders_of(&shop, "ada").await;
}

#[tokio::test]
async fn a_planted_guests_cookie_is_worthless_after_the_sign_in() {
    let (shop, mut mallory) = Shop::open();
    mallory.post(&shop, "/cart/9", "").await.assert_sent_to("/");
    let mut ada = mallory.another();
    ada.0.put(&mallory.0.cookie_field());
    ada.sign_in(&shop, "name=ada").await;
    ada.assert_orders_of(&shop, "ada").await;
    assert_ne!(shop.id(&ada), shop.id(&mallory));
    mallory.assert_not_signed_in(&shop).await;
    ada.post(&shop, "/cart/1", "").await.assert_sent_to("/");
    ada.assert_cart(&shop, "[9, 1]").await;
    mallory.assert_cart(&shop, "[]").await;
}

#[tokio::test]
async fn the_next_visitor_does_not_get_the_cart_of_the_last_one() {
    let (shop, mut browser) = Shop::open();
    browser.sign_in(&shop, "name=ada").await;
    browser.post(&shop, "/cart/1", "").await.assert_sent_to("/");
    let mut copy = browser.clone();
    browser.sign_in(&shop, "name=grace").await;
    browser.assert_cart(&shop, "[]").await;
    copy.assert_not_signed_in(&shop).await;
}

#[tokio::test]
async fn a_guest_with_a_cart_does_not_pass_the_guard() {
    let (shop, mut guest) = Shop::open();
    guest.assert_not_signed_in(&shop).await;
    guest.post(&shop, "/cart/1", "").await.assert_sent_to("/");
    guest.assert_not_signed_in(&shop).await;
    guest.assert_cart(&shop, "[1]").await;
}

#[tokio::test]
async fn only_an_administrator_sees_the_accounts() {
    let (shop, mut guest) = Shop::open();
    let (mut ada, mut grace) = (guest.another(), guest.another());
    let sent_away = guest.get(&shop, "/accounts").await;
    sent_away.assert_sent_to("/sign-in?next=%2Faccounts");
    ada.sign_in(&shop, "name=ada").await;
    let refused = ada.get(&shop, "/accounts").await;
    let expected = (StatusCode::FORBIDDEN, "for administrators only");
    assert_eq!((refused.status, &*refused.body), expected);
    grace.sign_in(&shop, "name=grace").await;
    let accounts = grace.get(&shop, "/accounts").await;
    assert_eq!((accounts.status, &*accounts.body), (StatusCode::OK, "all accounts"));
}

#[tokio::test]
async fn a_message_is_shown_once() {
    let (shop, mut ada) = Shop::open();
    ada.sign_in(&shop, "name=ada").await;
    let message = "You are signed in.";
    assert!(ada.get(&shop, "/").await.body.contains(message));
    assert!(!ada.get(&shop, "/").await.body.contains(message));
}

#[tokio::test]
async fn a_cart_that_is_too_large_is_a_409_with_the_reason_and_stays_as_it_was() {
    let (shop, mut guest) = Shop::open();
    let mut articles = 0;
    let full = loop {
        let answer = guest.post(&shop, "/cart/4000000000", "").await;
        if answer.status != StatusCode::SEE_OTHER {
            break answer;
        }
        articles += 1;
        assert!(articles < 1000, "the cart never gets full");
    };
    assert_eq!(full.status, StatusCode::CONFLICT);
    let sentence = "bytes, and the option `chunks` allows 4096; keep less in it (its largest field is `cart` with";
    assert!(full.body.contains(sentence), "{}", full.body);
    let cart = vec![4_000_000_000_u32; articles];
    guest.assert_cart(&shop, &format!("{cart:?}")).await;
}

#[tokio::test]
async fn who_is_remembered_stays_signed_in_when_the_browser_is_closed() {
    let (shop, mut ada) = Shop::open();
    let mut grace = ada.another();
    ada.sign_in(&shop, "name=ada&remember=on").await;
    grace.sign_in(&shop, "name=grace").await;
    ada.0.restart();
    grace.0.restart();
    ada.assert_orders_of(&shop, "ada").await;
    grace.assert_not_signed_in(&shop).await;
    for _ in 0..6 {
        ada.0.pass(13 * DAY);
        ada.assert_orders_of(&shop, "ada").await;
    }
    ada.0.pass(13 * DAY);
    ada.assert_not_signed_in(&shop).await;
}

#[tokio::test]
async fn a_copy_of_a_signed_out_cookie_is_refused() {
    let (shop, mut ada) = Shop::open();
    ada.sign_in(&shop, "name=ada").await;
    let mut thief = ada.clone();
    thief.assert_orders_of(&shop, "ada").await;
    ada.post(&shop, "/sign-out", "").await.assert_sent_to("/");
    assert_eq!(ada.0.cookie_field(), "");
    ada.assert_not_signed_in(&shop).await;
    thief.assert_not_signed_in(&shop).await;
}

#[tokio::test]
async fn sign_out_everywhere_ends_the_other_browsers_of_this_user() {
    // The whole process shares the generations: no other test has this user.
    let (shop, mut laptop) = Shop::open();
    let (mut phone, mut ada) = (laptop.another(), laptop.another());
    laptop.sign_in(&shop, "name=alan").await;
    phone.sign_in(&shop, "name=alan&remember=on").await;
    ada.sign_in(&shop, "name=ada").await;
    let gone = laptop.post(&shop, "/sign-out?everywhere", "").await;
    gone.assert_sent_to("/");
    laptop.assert_not_signed_in(&shop).await;
    phone.assert_not_signed_in(&shop).await;
    ada.assert_orders_of(&shop, "ada").await;
    phone.sign_in(&shop, "name=alan").await;
    phone.assert_orders_of(&shop, "alan").await;
}

#[tokio::test]
async fn a_sign_out_ends_one_browser_alone() {
    let (shop, mut laptop) = Shop::open();
    let mut phone = laptop.another();
    laptop.sign_in(&shop, "name=ada").await;
    phone.sign_in(&shop, "name=ada").await;
    laptop.post(&shop, "/sign-out", "").await.assert_sent_to("/");
    laptop.assert_not_signed_in(&shop).await;
    phone.assert_orders_of(&shop, "ada").await;
}

#[tokio::test]
async fn after_the_sign_in_comes_the_page_that_was_asked_for_unless_it_is_elsewhere() {
    let (shop, mut ada) = Shop::open();
    let sent = ada.get(&shop, "/orders").await.location.expect("a redirect");
    assert!(ada.get(&shop, &sent).await.body.contains("<form method=post>"));
    ada.post(&shop, &sent, "name=ada").await.assert_sent_to("/orders");
    for elsewhere in [
        "//evil.example",
        "%2F%2Fevil.example",
        "https://evil.example",
        "/%5Cevil.example",
    ] {
        let link = format!("/sign-in?next={elsewhere}");
        ada.another().post(&shop, &link, "name=ada").await.assert_sent_to("/");
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let (shop, mut ada) = Shop::open();
    ada.sign_in(&shop, "name=ada").await;
    let sign_out = Request::post("/sign-out").body(Body::empty());
    let refused = ada.send(&shop, "cross-site", sign_out).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    ada.assert_orders_of(&shop, "ada").await;
}
