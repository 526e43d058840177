//! Whole sign-ins over HTTP: browsers with cookies, one or two servers of the shop, and the real provider.

mod world;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hyper::Method;
use testkit::http::{Asks, Wire};

use self::world::{MINUTE, Redirects, Visitor, World};

const GRANTED: &str = "granted refresh_token";
const REUSED: &str = "refused refresh_token refresh token already used";
const ENDED: &str = "refused refresh_token refresh token not found";
const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_visitor_signs_in_reads_orders_and_signs_out_of_the_shop_and_the_provider() {
    let mut world = World::start(2);
    let mut ada = Visitor::new();

    // A guest who asks for the orders gets them after login and consent.
    let guest = ada.get(&world.shops[0], "/orders").await;
    assert_eq!(guest.location(), "/sign-in?next=%2Forders");
    let (forms, signed_in) = ada.sign_in(&world, "ada", guest.location()).await;
    assert_eq!(
        (&*forms, signed_in.location()),
        (&["login".into(), "consent".into()][..], "/orders")
    );
    let orders = ada.get(&world.shops[0], "/orders").await;
    assert!(orders.body.contains("bread for ada"), "{}", orders.body);
    assert!(ada.shop.value("__Host-id.2").is_some(), "three tokens take two cookies");
    assert!(ada.shop.value("__Host-id.3").is_none(), "and no more");
    assert!(
        ada.shop.value("__Host-sign-in").is_none(),
        "it is for the sign-in alone"
    );
    println!("{}", ada.get(&world.shops[0], "/").await.body);

    // While the visitor is signed in at the provider, a sign-in asks nothing.
    world.provider.tell("lifetime 1");
    let (forms, signed_in) = ada.sign_in(&world, "ada", "/sign-in").await;
    assert_eq!((forms.len(), signed_in.location()), (0, "/"));

    // The sign-out ends both. A copy of the cookies goes on at another server, which does not know, until the access
    // token expires: the refresh token ended at the provider.
    let mut copy = ada.clone();
    let out = ada.send(&world.shops[0].wire, Method::POST, "/sign-out").await;
    assert_eq!(ada.shop.cookies().count(), 0);
    assert!(out.location().contains("id_token_hint="), "{}", out.location());
    let (forms, home) = ada.at_provider(&world, "ada", out.location()).await;
    assert_eq!((&*forms, &*home), (&["sign-out".into()][..], "/"));
    assert_eq!(
        copy.get(&world.shops[0], "/orders").await.location(),
        "/sign-in?next=%2Forders"
    );
    let deadline = Instant::now() + MINUTE;
    while copy.get(&world.shops[1], "/orders").await.status != 303 {
        assert!(
            Instant::now() < deadline,
            "an access token of one second does not expire"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(world.provider.grants().contains(&ENDED.into()));
    assert_eq!(ada.sign_in(&world, "ada", "/sign-in").await.0, ["login", "consent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_spend_one_refresh_token() {
    let mut world = World::start(1);
    let mut ada = world.visitor_with_tokens_that_expire_soon().await;
    let late = ada.clone();
    world.provider.tell("lifetime 3600");
    world.provider.tell("hold");
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let (mut tab, wire) = (ada.clone(), Wire::new(world.shops[0].address));
            tokio::spawn(async move { (tab.send(&wire, Method::GET, "/orders").await, tab) })
        })
        .collect();
    world.provider.prints("asked for tokens");
    world.provider.tell("release");
    let mut browsers = vec![late];
    for request in requests {
        let (answer, tab) = request.await.expect("no panic");
        assert_eq!(answer.status, 200, "{}", answer.body);
        ada.shop.keep(&answer);
        browsers.push(tab);
    }
    // Those that got no response, one, and all of them.
    browsers.push(ada);
    for mut browser in browsers {
        assert_eq!(browser.get(&world.shops[0], "/orders").await.status, 200);
    }
    assert_eq!(world.provider.grants(), [GRANTED]);
}

#[tokio::test]
async fn a_refresh_goes_on_when_its_browser_goes_away() {
    let mut world = World::start(1);
    let mut ada = world.visitor_with_tokens_that_expire_soon().await;
    world.provider.tell("hold");
    let cookies = ada.shop.cookie_field();
    let mut tab = TcpStream::connect(world.shops[0].address).expect("the shop listens");
    write!(
        tab,
        "GET /orders HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n"
    )
    .expect("it takes requests");
    world.provider.prints("asked for tokens");
    drop(tab);
    // Time for the server to see it.
    assert_eq!(ada.get(&world.shops[0], "/").await.status, 200);
    world.provider.tell("release");
    assert_eq!(ada.get(&world.shops[0], "/orders").await.status, 200);
    assert_eq!(world.provider.grants(), [GRANTED]);
}

#[tokio::test]
async fn a_refresh_is_kept_when_the_page_fails_afterwards() {
    let mut world = World::start(2);
    let mut ada = world.visitor_with_tokens_that_expire_soon().await;
    world.provider.tell("lifetime 3600");
    world.provider.tell("api down");
    assert_eq!(ada.get(&world.shops[0], "/orders").await.status, 502);
    assert_eq!(world.provider.grants(), [GRANTED]);
    world.provider.tell("api up");
    assert_eq!(ada.get(&world.shops[1], "/orders").await.status, 200);
    assert_eq!(
        world.provider.grants(),
        NOTHING,
        "another server found the new tokens in the session"
    );
}

#[tokio::test]
async fn a_race_between_servers_signs_nobody_out_before_the_access_token_expires() {
    let mut world = World::start(2);
    let mut ada = world.visitor_with_tokens_that_expire_soon().await;
    let mut loser = ada.clone();
    assert_eq!(ada.get(&world.shops[0], "/orders").await.status, 200);
    let lost = loser.get(&world.shops[1], "/orders").await;
    assert_eq!(lost.status, 200, "the old access token is still good");
    assert!(
        !lost.cookie_names().contains(&"__Host-id"),
        "it would overwrite what has won"
    );
    assert_eq!(world.provider.grants(), [GRANTED, REUSED]);

    // The provider took the second use for a theft, so that the winner's refresh token has ended, too. When the access
    // token expires, the visitor signs in again, without a password.
    assert_eq!(ada.get(&world.shops[0], "/orders").await.status, 200);
    assert_eq!(world.provider.grants(), [ENDED]);
    assert_eq!(ada.sign_in(&world, "ada", "/sign-in").await.0, ["consent"]);
    world.provider.grants();
    assert_eq!(ada.get(&world.shops[0], "/orders").await.status, 200);
    assert_eq!(world.provider.grants(), [GRANTED]);
}

#[tokio::test]
async fn servers_do_not_race_where_a_refresh_token_works_more_than_once() {
    let mut world = World::start(2);
    world.provider.tell("rotate no");
    let ada = world.visitor_with_tokens_that_expire_soon().await;
    for shop in [0, 1, 0, 1] {
        assert_eq!(ada.clone().get(&world.shops[shop], "/orders").await.status, 200);
    }
    assert_eq!(world.provider.grants(), [GRANTED, GRANTED], "one for each server");
}

#[tokio::test]
async fn a_callback_that_this_browser_did_not_begin_signs_nobody_in() {
    let mut world = World::start(1);
    let (mut ada, mut guest, mut other) = (Visitor::new(), Visitor::new(), Visitor::new());
    other.callback(&world, "grace", str::to_owned).await;
    let earlier = ada.callback(&world, "ada", str::to_owned).await;
    let other_nonce = ada
        .callback(&world, "ada", |address| address.replace("nonce=", "nonce=x"))
        .await;
    let callback = ada.callback(&world, "ada", str::to_owned).await;
    let (code, state) = (field(&callback, "code"), field(&callback, "state"));
    let (before, after) = state.split_at(state.len() / 2);
    let altered = format!(
        "{before}{}{}",
        if after.starts_with('A') { 'B' } else { 'A' },
        &after[1..]
    );
    world.provider.grants();

    refuses(&world, &mut guest, &callback, "no cookie").await;
    refuses(&world, &mut other, &callback, "the cookie of another browser").await;
    refuses(
        &world,
        &mut ada,
        &format!("/callback?code={code}&state={altered}"),
        "an altered state",
    )
    .await;
    refuses(&world, &mut ada, &format!("/callback?code={code}"), "no state").await;
    refuses(
        &world,
        &mut ada,
        &format!("/callback?error=access_denied&state={state}"),
        "no code",
    )
    .await;
    assert_eq!(world.provider.grants(), NOTHING, "it was not asked");

    let other_code = format!("/callback?code={}&state={state}", field(&earlier, "code"));
    refuses(&world, &mut ada, &other_code, "the code of an earlier sign-in").await;
    let pkce = "refused authorization_code code_verifier does not match code_challenge";
    assert_eq!(world.provider.grants(), [pkce]);
    refuses(&world, &mut ada, &other_nonce, "the nonce of another sign-in").await;
    assert_eq!(
        world.provider.grants(),
        ["granted authorization_code"],
        "all but the nonce was right"
    );

    // The genuine one works once.
    let mut before = ada.clone();
    assert_eq!(ada.get(&world.shops[0], &callback).await.location(), "/orders");
    assert_eq!(world.provider.grants(), ["granted authorization_code"]);
    assert_eq!(ada.get(&world.shops[0], &callback).await.status, 400);
    assert_eq!(world.provider.grants(), NOTHING, "it was not asked");
    refuses(&world, &mut before, &callback, "a code that is spent").await;
    assert_eq!(world.provider.grants().len(), 1, "it refused");
    assert!(ada.get(&world.shops[0], "/").await.body.contains("Hello, ada"));
}

#[tokio::test]
async fn a_visitor_in_hundreds_of_groups_is_signed_in_without_tokens() {
    let world = World::start(1);
    let mut grace = Visitor::new();
    grace.sign_in(&world, "grace", "/sign-in").await;
    let home = grace.get(&world.shops[0], "/").await.body;
    println!("{home}");
    assert!(home.contains("Hello, grace") && !home.contains("__Host-id.2"), "{home}");
    assert_eq!(grace.get(&world.shops[0], "/orders").await.status, 501);
    let out = grace.send(&world.shops[0].wire, Method::POST, "/sign-out").await;
    assert_eq!(grace.at_provider(&world, "grace", out.location()).await.0, ["sign-out"]);
}

async fn refuses(world: &World, visitor: &mut Visitor, callback: &str, why: &str) {
    assert_eq!(visitor.get(&world.shops[0], callback).await.status, 400, "{why}");
    assert!(visitor.shop.value("__Host-id").is_none(), "{why}");
}

/// The value of a field of the query, as it is written there.
fn field<'a>(address: &'a str, name: &str) -> &'a str {
    let pairs = address.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    let found = pairs.into_iter().find(|pair| pair.0 == name);
    found.expect("the address has it").1
}
