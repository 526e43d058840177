//! Counts allocations of a session of 250 bytes.

#[path = "../../../../benches/payload.rs"]
mod payload;

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderValue, Request, Response};
use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, RequestFields, Sealer, SessionLayer, SessionState, Sessions};
use sealed_session_peers::counting::{self, Counting};
use time::OffsetDateTime;
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: usize = 250;

/// Allocations and reallocations of the second call, which no longer contain those that are made once.
fn count<S, R>(prepare: impl Fn() -> S, run: impl Fn(S) -> R) -> usize {
    black_box(run(prepare()));
    let input = prepare();
    let before = counting::count();
    let output = black_box(run(input));
    let count = counting::count() - before;
    drop(output);
    count
}

fn row(name: &str, count: usize) {
    println!("| {name} | {count} |");
}

fn untouched(request: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
    drop(black_box(request));
    std::future::ready(Ok(Response::new(())))
}

fn through<S: Service<Request<()>, Response = Response<()>, Error = Infallible> + Clone>(
    service: &S,
    request: Request<()>,
) -> bool {
    let mut service = service.clone();
    pin!(service.call(request))
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

fn key(index: u8) -> Key {
    let secret: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ index);
    Key::from_raw_secret(&secret).expect("32 different bytes")
}

fn main() {
    let now = OffsetDateTime::now_utc();
    let sessions = |index: u8| {
        let builder = Sessions::<Visit>::builder(KeyRing::new(key(index)));
        builder.build().expect("a configuration")
    };
    println!("\n## Allocations, {SIZE} bytes\n\n| operation | count |\n|---|---|");
    through_sessions(&sessions(200), &sessions(100), now);
    through_layer(&sessions(200), now);
    through_sealer(now);
}

/// The allocations of the request itself (its fields and its session) count too.
fn through_sessions(ours: &Sessions<Visit>, stranger: &Sessions<Visit>, now: OffsetDateTime) {
    let cookie = |sessions: &Sessions<Visit>| -> &'static str {
        let cookie = sessions.cookie_for_at(visit(SIZE), now).expect("it fits");
        cookie.leak()
    };
    let load = |cookie: &'static str| {
        let session = ours.load_at(RequestFields::from_cookies([cookie]), now);
        (session.state(), session)
    };
    let (own, foreign) = (cookie(ours), cookie(stranger));
    assert!(load(own).0 == SessionState::Valid && matches!(load(foreign).0, SessionState::Rejected(_)));
    row("`Sessions`: no cookie of ours", count(|| (), |()| load("theme=dark")));
    row("`Sessions`: open, seen before", count(|| (), |()| load(own)));
    row("`Sessions`: open, first time", count(|| cookie(ours), load));
    row("`Sessions`: reject an unknown key", count(|| (), |()| load(foreign)));
    let started = count(
        || visit(SIZE),
        |data| {
            let mut session = ours.load_at(RequestFields::default(), now);
            session.start(data).expect("it fits");
            session.finish_patch(200)
        },
    );
    row("`Sessions`: start and finish (two cookies)", started);
}

/// What a request that no handler touches allocates beyond the same request without the layer.
fn through_layer(ours: &Sessions<Visit>, now: OffsetDateTime) {
    let own = ours.cookie_for_at(visit(SIZE), now).expect("it fits");
    let with_layer = SessionLayer::new(ours.clone()).layer(service_fn(untouched));
    let bare = service_fn(untouched);
    for cookies in [0usize, 1, 100] {
        let header = (1..cookies).map(|index| format!("preference_{index}=dark"));
        let header: Vec<String> = header.chain((cookies > 0).then(|| own.clone())).collect();
        let header = HeaderValue::try_from(header.join("; ")).expect("ASCII");
        let request = || {
            let mut request = Request::new(());
            if cookies > 0 {
                request.headers_mut().insert(COOKIE, header.clone());
            }
            request
        };
        let without = count(request, |request| through(&bare, request));
        let with = count(request, |request| through(&with_layer, request));
        row(&format!("`SessionLayer`: untouched, {cookies} cookies"), with - without);
    }
}

fn through_sealer(now: OffsetDateTime) {
    let sealer = |index: u8| {
        let sealer = Sealer::new(KeyRing::new(key(index)), "bench").expect("a configuration");
        sealer.with_audience("bench").expect("a configuration")
    };
    let (ours, stranger) = (sealer(200), sealer(100));
    let json = serde_json::to_vec(&visit(SIZE)).expect("a visit serialises");
    let seal = |sealer: &Sealer, age: i64| {
        let at = now - time::Duration::seconds(age);
        sealer.seal_at(&json, Duration::from_secs(3600), at).expect("it fits")
    };
    row("`Sealer`: seal", count(|| (), |()| seal(&ours, 0)));
    let token = seal(&ours, 0);
    row(
        "`Sealer`: open",
        count(|| (), |()| ours.open_at(&token, b"", now).is_ok()),
    );
    let mut flipped = token.clone().into_bytes();
    flipped[80] ^= 1 << 1;
    let flipped = String::from_utf8(flipped).expect("ASCII");
    let garbage: String = "q7Zk3xW".chars().cycle().take(token.len()).collect();
    for (name, text) in [
        ("a bit flipped", flipped),
        ("an unknown key", seal(&stranger, 0)),
        ("expired", seal(&ours, 86_400)),
        ("garbage", garbage),
    ] {
        assert!(ours.open_at(&text, b"", now).is_err());
        let rejected = count(|| (), |()| ours.open_at(&text, b"", now).is_err());
        row(&format!("`Sealer`: reject {name}"), rejected);
    }
}
