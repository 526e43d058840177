//! Counts allocations, with an allocator of its own so that the timed program keeps the usual one.

#[path = "../../../../benches/payload.rs"]
mod payload;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderValue, Request, Response};
use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, RequestFields, Sealer, SessionLayer, SessionState, Sessions};
use time::OffsetDateTime;
use tower::{Layer, Service, service_fn};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and reallocations of the second call, which no longer contain those that are made once.
fn count<S, R>(prepare: impl Fn() -> S, run: impl Fn(S) -> R) -> usize {
    black_box(run(prepare()));
    let input = prepare();
    let before = COUNT.get();
    let output = black_box(run(input));
    let count = COUNT.get() - before;
    drop(output);
    count
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

fn main() {
    let key = |index: u8| {
        let secret: [u8; 32] = std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ index);
        Key::from_raw_secret(&secret).expect("32 different bytes")
    };
    let now = OffsetDateTime::now_utc();
    let sessions = |index: u8| {
        let builder = Sessions::<Visit>::builder(KeyRing::new(key(index)));
        builder.build().expect("a configuration")
    };
    let ours = sessions(200);
    let own = ours.cookie_for_at(visit(250), now).expect("it fits");

    println!("\n## Allocations\n\n| operation | count | target |\n|---|---|---|");
    let row = |name: &str, count: usize, target: &str, is_met: bool| {
        let verdict = if is_met { "met" } else { "**missed**" };
        println!("| {name} | {count} | {target} {verdict} |");
    };

    let with_layer = SessionLayer::new(ours.clone()).layer(service_fn(untouched));
    let bare = service_fn(untouched);
    let mut counts = Vec::new();
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
        counts.push((
            cookies,
            count(request, |request| through(&with_layer, request)) - without,
        ));
    }
    for &(cookies, count) in &counts {
        let is_met = counts.iter().all(|&(_, other)| other == count);
        row(
            &format!("untouched request through the layer, {cookies} cookies"),
            count,
            "the same number",
            is_met,
        );
    }

    let (sealer, stranger) = (sealer(key(200)), sealer(key(100)));
    for size in [60, 250, 1024, 2980] {
        let json = serde_json::to_vec(&visit(size)).expect("a visit serialises");
        let seal = |sealer: &Sealer, age: i64| {
            let at = now - time::Duration::seconds(age);
            sealer.seal_at(&json, Duration::from_secs(3600), at).expect("it fits")
        };
        let sealed = count(|| (), |()| seal(&sealer, 0));
        row(&format!("seal {size} bytes (`Sealer`)"), sealed, "1", sealed <= 1);
        let token = seal(&sealer, 0);
        let opened = count(|| (), |()| sealer.open_at(&token, b"", now).is_ok());
        println!("| open {size} bytes (`Sealer`) | {opened} | |");
        let mut flipped = token.clone().into_bytes();
        flipped[80] ^= 1 << 1;
        let flipped = String::from_utf8(flipped).expect("ASCII");
        let garbage: String = "q7Zk3xW".chars().cycle().take(token.len()).collect();
        for (name, text) in [
            ("a bit flipped", flipped),
            ("unknown key", seal(&stranger, 0)),
            ("expired", seal(&sealer, 86_400)),
            ("garbage", garbage),
        ] {
            assert!(sealer.open_at(&text, b"", now).is_err());
            let rejected = count(|| (), |()| sealer.open_at(&text, b"", now).is_err());
            row(
                &format!("reject {size} bytes, {name} (`Sealer`)"),
                rejected,
                "0",
                rejected == 0,
            );
        }
    }

    // Through `Sessions`, the allocations of the request itself (its fields and its session) count too.
    let load = |sessions: &Sessions<Visit>, cookie: &'static str| {
        let session = sessions.load_at(RequestFields::from_cookies([cookie]), now);
        (session.state(), session)
    };
    let absent = count(|| (), |()| load(&ours, "theme=dark"));
    println!("| `Sessions`, 250 bytes: no cookie of ours | {absent} | |");
    let cookie: &'static str = own.clone().leak();
    println!(
        "| `Sessions`, 250 bytes: open with activity token | {} | |",
        count(|| (), |()| load(&ours, cookie))
    );
    let foreign: &'static str = sessions(100).cookie_for_at(visit(250), now).expect("it fits").leak();
    assert!(matches!(load(&ours, foreign).0, SessionState::Rejected(_)));
    let rejected = count(|| (), |()| load(&ours, foreign));
    row(
        "`Sessions`, 250 bytes: unknown key",
        rejected,
        "as without a cookie:",
        rejected <= absent,
    );
    let started = count(
        || visit(250),
        |data| {
            let mut session = ours.load_at(RequestFields::default(), now);
            session.start(data).expect("it fits");
            session.finish_patch(200)
        },
    );
    println!("| `Sessions`, 250 bytes: start and finish (two cookies) | {started} | |");
}

fn sealer(key: Key) -> Sealer {
    Sealer::new(KeyRing::new(key), "bench")
        .expect("a configuration")
        .with_audience("bench")
        .expect("a configuration")
}
