//! The examples do what they say.

#[cfg(feature = "http")]
#[path = "../../examples/plain_hyper.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod plain_hyper;

#[cfg(all(feature = "axum", feature = "device"))]
mod device;
#[cfg(feature = "axum")]
mod shop;

#[cfg(feature = "actix")]
mod actix;

mod tiny_http;

#[cfg(feature = "http")]
#[tokio::test]
async fn the_plain_hyper_server_signs_in_reads_and_signs_out() {
    use sealed_session::testing::Browser;
    use sealed_session::{Key, KeyRing, Sessions};
    use testkit::http::{Asks as _, Wire};

    let sessions = Sessions::builder(KeyRing::new(Key::generate().expect("random bytes")))
        .build()
        .expect("the configuration is sound");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let server = Wire::new(listener.local_addr().expect("a bound socket has an address"));
    tokio::spawn(plain_hyper::serve(listener, sessions));

    let mut visitor = Browser::new();
    let home = visitor.get(&server, "/").await;
    assert_eq!((home.status.as_u16(), home.body.as_str()), (200, "hello, stranger\n"));
    assert_eq!((home.vary(), home.cache_control()), (Some("Cookie"), None));

    let signed_in = visitor.post(&server, "/sign-in").await;
    assert_eq!(signed_in.cookie_names(), ["__Host-id", "__Host-id-seen"]);
    assert_eq!(signed_in.cache_control(), Some("private, no-store"));
    let home = visitor.get(&server, "/").await;
    assert_eq!(
        (home.body.as_str(), home.cache_control()),
        ("hello, user 7\n", Some("private, no-cache"))
    );

    let nowhere = visitor.get(&server, "/nowhere").await;
    assert_eq!(
        (nowhere.body.as_str(), nowhere.vary()),
        ("there is no such page\n", None)
    );

    visitor.post(&server, "/sign-out").await;
    assert_eq!(visitor.cookie_field(), "");
    assert_eq!(visitor.get(&server, "/").await.body, "hello, stranger\n");
}
