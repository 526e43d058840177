use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::COOKIE;
use axum::routing::get;
use http_body_util::BodyExt;
use migrating::sesh::read::reader;
use migrating::sesh::{beside, new, old};
use migrating::{Login, page};
use sealed_session::RequestFields;
use seshcookie::{Session, SessionConfig, SessionKeys, SessionLayer};
use tower::ServiceExt;

use crate::world::{Server, World};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn from_seshcookie() {
    let world = World::new("session");
    let old = Server::axum(old::app(SECRET).unwrap()).await;
    let beside = Server::axum(beside::app(SECRET, world.sessions(), world.until()).unwrap()).await;
    let new = Server::axum(new::app(SECRET, world.sessions(), world.until()).unwrap()).await;
    world.migrate(&old, &beside, &new).await;
}

#[test]
fn the_time_of_issue_is_the_start_and_fallback_keys_open() {
    let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let layer = SessionLayer::<Login>::new(SessionKeys::new(SECRET).unwrap(), SessionConfig::default()).unwrap();
    let value = layer.__testing_encode_cookie(&Login::of(7), issued);
    let other = b"another secret of the application";
    for secrets in [&[SECRET][..], &[other, SECRET]] {
        let old = reader(secrets)(&value).unwrap();
        assert_eq!(old.data, Login::of(7));
        assert_eq!(old.started, Some(issued.into()));
    }
    assert!(reader(&[other])(&value).is_none());
}

#[test]
fn a_cookie_has_one_spelling() {
    let layer = SessionLayer::<Login>::new(SessionKeys::new(SECRET).unwrap(), SessionConfig::default()).unwrap();
    // Whatever the length, the last character may have bits to spare.
    for cart in ["", "a", "ab"] {
        let login = Login {
            user: 7,
            cart: vec![cart.to_owned()],
        };
        let value = layer.__testing_encode_cookie(&login, SystemTime::now());
        let read = reader(&[SECRET]);
        assert!(read(&value).is_some());
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=% \"";
        for other in ALPHABET.chars() {
            let (front, last) = value.split_at(value.len() - 1);
            assert!(read(&format!("{value}{other}")).is_none());
            assert!(read(&format!("{other}{value}")).is_none());
            assert!(last.contains(other) || read(&format!("{front}{other}")).is_none());
        }
    }
}

/// Why the data do not come from seshcookie's extractor, and the value from `old_cookies`.
#[tokio::test]
async fn seshcookie_may_choose_another_cookie_than_the_first() {
    let layer = SessionLayer::<Login>::new(SessionKeys::new(SECRET).unwrap(), SessionConfig::default()).unwrap();
    let genuine = layer.__testing_encode_cookie(&Login::of(7), SystemTime::now());
    let fields = [
        b"theme=\xff; session=made-up".to_vec(),
        format!("session={genuine}").into_bytes(),
    ];
    let world = World::new("session");
    let sessions = world
        .sessions()
        .adopt("session", world.until(), |_| None)
        .build()
        .unwrap();
    let session = sessions.load(RequestFields::from_cookies(fields.clone()));
    assert_eq!(session.old_cookies(), ["made-up", &*genuine]);
    let mut request = Request::new(Body::empty());
    for field in fields {
        request
            .headers_mut()
            .append(COOKIE, HeaderValue::from_bytes(&field).unwrap());
    }
    let home = get(async |old: Session<Login>| page(old.get().await.as_ref()));
    let app = Router::new().route("/", home).layer(layer);
    let response = app.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "user 7, cart: ");
}
