//! Times of every operation on sessions and sealed values; names carry the parameters.
//!
//!     cargo bench --bench session --all-features              everything (without `tower` and `device`, all but these)
//!     cargo bench --bench session --all-features -- open/     one group
//!     cargo bench --bench session -- --test                   everything once, to see that it still works
//!
//! `json` is a typed session through `Sessions`, from the Cookie header to the data or from the data to `Set-Cookie`;
//! `bytes` are the same bytes through `Sealer`, which serialises nothing and knows no cookies.

mod payload;

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Sealer, Session, SessionState, Sessions};
use time::OffsetDateTime;

/// The largest represents "3 KiB": a cookie of 4096 bytes holds at most 2995 bytes of payload, under the name
/// `__Host-id` and without padding, so 3072 can never be sealed.
const SIZES: [usize; 4] = [60, 250, 1024, 2980];
const ONE_SIZE: usize = 250;
const RINGS: [u8; 4] = [1, 4, 16, 64];

const NOW: i64 = 1_893_369_600;
/// Longer than the idle timeout of 30 minutes and the absolute timeout of 12 hours.
const LATER: i64 = 13 * 3600;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + seconds).expect("a time")
}

/// Key number `index` of a ring: not random, so that every run measures the same bytes.
fn key(index: u8) -> Key {
    let secret: [u8; 32] =
        std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ index.wrapping_mul(91).wrapping_add(129));
    Key::from_raw_secret(&secret).expect("32 different bytes")
}

/// A ring that seals with key 0, and `others` more that open.
fn ring(keys: u8) -> KeyRing {
    (1..keys).fold(KeyRing::new(key(0)), |ring, index| {
        ring.also_opening(key(index)).expect("another key")
    })
}

fn sessions(ring: KeyRing) -> Sessions<Visit> {
    Sessions::builder(ring)
        .audience("bench")
        .build()
        .expect("a configuration")
}

fn sessions_without_idle(ring: KeyRing) -> Sessions<Visit> {
    let builder = Sessions::builder(ring)
        .audience("bench")
        .lifetime(Lifetime::default().without_idle());
    builder.build().expect("a configuration")
}

fn sealer(ring: KeyRing) -> Sealer {
    Sealer::new(ring, "bench")
        .expect("a configuration")
        .with_audience("bench")
        .expect("a configuration")
}

/// A Cookie header that lives as long as the run, so that no benchmark copies it.
fn header(value: String) -> &'static str {
    value.leak()
}

/// The Cookie header of a session that started at `NOW`: one cookie, or two with the activity token.
fn cookie(sessions: &Sessions<Visit>, size: usize) -> &'static str {
    header(sessions.cookie_for_at(visit(size), at(0)).expect("it fits"))
}

fn load(sessions: &Sessions<Visit>, cookie: &'static str, now: i64) -> Session<Visit> {
    sessions.load_at(RequestFields::from_cookies([cookie]), at(now))
}

fn opens(sessions: &Sessions<Visit>, cookie: &'static str) -> bool {
    load(sessions, cookie, 60).get().is_some()
}

fn rejects(sessions: &Sessions<Visit>, cookie: &'static str, now: i64) -> bool {
    matches!(load(sessions, cookie, now).state(), SessionState::Rejected(_))
}

fn bytes(size: usize) -> Vec<u8> {
    serde_json::to_vec(&visit(size)).expect("a visit serialises")
}

fn token(sealer: &Sealer, size: usize) -> String {
    sealer
        .seal_at(&bytes(size), Duration::from_secs(12 * 3600), at(0))
        .expect("it fits")
}

/// The text with one bit of the character at `at` flipped (within the alphabet: `A` becomes `B`, and so on).
fn altered(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

/// Text with the alphabet of a token that was not sealed, with its own first character.
fn garbage(length: usize) -> String {
    "q7Zk".chars().cycle().take(length).collect()
}

const NAME: &str = "__Host-id=";

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    let (sessions, without_idle, sealer) = (sessions(ring(1)), sessions_without_idle(ring(1)), sealer(ring(1)));
    for size in SIZES {
        let (data, raw) = (visit(size), bytes(size));
        group.throughput(Throughput::Bytes(size as u64));
        for (name, sessions) in [("json", &without_idle), ("json-with-activity", &sessions)] {
            group.bench_function(format!("{name}/{size}"), |b| {
                b.iter_batched(
                    || data.clone(),
                    |data| {
                        let mut session = sessions.load_at(RequestFields::default(), at(0));
                        session.start(data).expect("it fits");
                        session.finish_patch(200)
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.bench_function(format!("bytes/{size}"), |b| {
            b.iter(|| sealer.seal_at(black_box(&raw), Duration::from_secs(12 * 3600), at(0)));
        });
    }
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    let (with_idle, without_idle, sealer) = (sessions(ring(1)), sessions_without_idle(ring(1)), sealer(ring(1)));
    for size in SIZES {
        let (both, alone, token) = (
            cookie(&with_idle, size),
            cookie(&without_idle, size),
            token(&sealer, size),
        );
        assert!(opens(&with_idle, both) && opens(&without_idle, alone) && sealer.open_at(&token, b"", at(60)).is_ok());
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("json/{size}"), |b| {
            b.iter(|| opens(&without_idle, black_box(alone)));
        });
        group.bench_function(format!("json-with-activity/{size}"), |b| {
            b.iter(|| opens(&with_idle, black_box(both)));
        });
        group.bench_function(format!("bytes/{size}"), |b| {
            b.iter(|| sealer.open_at(black_box(&token), b"", at(60)));
        });
    }
}

fn reject(c: &mut Criterion) {
    let mut group = c.benchmark_group("reject");
    let (ours, strangers) = (
        sessions_without_idle(ring(1)),
        sessions_without_idle(KeyRing::new(key(200))),
    );
    let (bytes_ours, bytes_strangers) = (sealer(ring(1)), sealer(KeyRing::new(key(200))));
    for size in SIZES {
        let genuine = cookie(&ours, size);
        // Character 80 is in the body of the smallest token.
        let flipped = altered(genuine, NAME.len() + 80);
        let garbage_cookie = format!("{NAME}{}", garbage(genuine.len() - NAME.len()));
        let cases = [
            ("flipped-bit", flipped.clone(), 60),
            ("unknown-key", cookie(&strangers, size).to_owned(), 60),
            ("expired", genuine.to_owned(), LATER),
            ("garbage", garbage_cookie, 60),
            ("8-duplicates-flipped-bit", vec![flipped; 8].join("; "), 60),
        ];
        for (name, text, now) in cases {
            let text = header(text);
            assert!(rejects(&ours, text, now), "{name}");
            group.bench_function(format!("{name}/json/{size}"), |b| {
                b.iter(|| rejects(&ours, black_box(text), now));
            });
        }
        let genuine = token(&bytes_ours, size);
        let cases = [
            ("flipped-bit", altered(&genuine, 80), 60),
            ("unknown-key", token(&bytes_strangers, size), 60),
            ("expired", genuine.clone(), LATER),
            ("garbage", garbage(genuine.len()), 60),
        ];
        for (name, text, now) in cases {
            let rejects = || bytes_ours.open_at(black_box(&text), b"", at(now)).is_err();
            assert!(rejects(), "{name}");
            group.bench_function(format!("{name}/bytes/{size}"), |b| b.iter(rejects));
        }
    }
}

/// Under the last key of rings of every size: all should take the same time.
fn rings(c: &mut Criterion) {
    let mut group = c.benchmark_group("open-under-last-key");
    for keys in RINGS {
        let last = keys - 1;
        let cookie = cookie(&sessions_without_idle(KeyRing::new(key(last))), ONE_SIZE);
        let token = token(&sealer(KeyRing::new(key(last))), ONE_SIZE);
        let (sessions, sealer) = (sessions_without_idle(ring(keys)), sealer(ring(keys)));
        assert!(opens(&sessions, cookie));
        group.bench_function(format!("ring-of-{keys}/json/{ONE_SIZE}"), |b| {
            b.iter(|| opens(&sessions, black_box(cookie)));
        });
        group.bench_function(format!("ring-of-{keys}/bytes/{ONE_SIZE}"), |b| {
            b.iter(|| sealer.open_at(black_box(&token), b"", at(60)));
        });
    }
}

/// The time of one opening while 1 or 2 threads open with the same `Sessions`: the same if each has a core.
fn threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("open-in-parallel");
    let sessions = sessions(ring(1));
    let cookie = cookie(&sessions, ONE_SIZE);
    for count in [1, 2] {
        group.bench_function(format!("threads-{count}/json-with-activity/{ONE_SIZE}"), |b| {
            b.iter_custom(|iterations| {
                let barrier = Arc::new(Barrier::new(count));
                let run = |_| {
                    let (barrier, sessions) = (Arc::clone(&barrier), sessions.clone());
                    thread::spawn(move || {
                        barrier.wait();
                        let start = Instant::now();
                        for _ in 0..iterations {
                            assert!(opens(&sessions, black_box(cookie)));
                        }
                        start.elapsed()
                    })
                };
                let threads: Vec<_> = (0..count).map(run).collect();
                let times = threads.into_iter().map(|thread| thread.join().expect("no panic"));
                times.max().unwrap_or(Duration::ZERO)
            });
        });
    }
}

/// The first opening of a day derives its keys, later ones find them.
fn day_keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("day-keys");
    let warm = sealer(ring(1));
    let text = token(&warm, ONE_SIZE);
    group.bench_function(format!("warm/bytes/{ONE_SIZE}"), |b| {
        b.iter(|| warm.open_at(black_box(&text), b"", at(60)));
    });
    let keys = Arc::new(ring(1));
    group.bench_function(format!("cold/bytes/{ONE_SIZE}"), |b| {
        b.iter_batched(
            || {
                Sealer::new(Arc::clone(&keys), "bench")
                    .expect("a configuration")
                    .with_audience("bench")
                    .expect("a configuration")
            },
            |cold| (cold.open_at(black_box(&text), b"", at(60)), cold),
            BatchSize::SmallInput,
        );
    });
}

/// Finding the session among other cookies of 16 KiB, and finding that there is none.
fn scan(c: &mut Criterion) {
    const LENGTH: usize = 16 * 1024;
    let mut group = c.benchmark_group("scan");
    let sessions = sessions_without_idle(ring(1));
    let own = cookie(&sessions, 60);
    let others = |length: usize| {
        let mut text = String::new();
        for index in 0.. {
            let another = format!("preference_{index}=dark-theme+large-print+{index:08x}; ");
            if text.len() + another.len() > length {
                break;
            }
            text.push_str(&another);
        }
        let rest = length - text.len();
        text.extend(std::iter::once("x=").chain(std::iter::repeat_n("y", rest.saturating_sub(2))));
        text
    };
    let without = header(others(LENGTH));
    let with = header(format!("{}; {own}", others(LENGTH - own.len() - 2)));
    assert_eq!((without.len(), with.len()), (LENGTH, LENGTH));
    assert!(opens(&sessions, with) && load(&sessions, without, 60).state() == SessionState::Absent);
    group.throughput(Throughput::Bytes(LENGTH as u64));
    group.bench_function(format!("absent/cookie-header-{LENGTH}"), |b| {
        b.iter(|| load(&sessions, black_box(without), 60).state());
    });
    group.bench_function(format!("last-and-opened/json/60/cookie-header-{LENGTH}"), |b| {
        b.iter(|| opens(&sessions, black_box(with)));
    });
}

/// Whole requests through the tower layer and a handler that does nothing else.
#[cfg(feature = "tower")]
fn layer(c: &mut Criterion) {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use http::header::COOKIE;
    use http::{HeaderValue, Request, Response};
    use sealed_session::SessionLayer;
    use tower::{Layer, Service, service_fn};

    type Handler = fn(Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>>;

    fn answer() -> std::future::Ready<Result<Response<()>, Infallible>> {
        std::future::ready(Ok(Response::new(())))
    }
    fn untouched(request: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
        black_box(request);
        answer()
    }
    fn read(request: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
        let session = Session::<Visit>::from_extensions(request.extensions()).expect("the layer is there");
        assert!(black_box(session.get()).is_some());
        answer()
    }
    fn changed(request: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
        let mut session = Session::<Visit>::from_extensions(request.extensions()).expect("the layer is there");
        let user = session.update(|visit| visit.user += 1).expect("it fits");
        assert!(user.option().is_some());
        answer()
    }

    let mut group = c.benchmark_group("layer");
    // The layer reads the real clock.
    let now = OffsetDateTime::now_utc();
    let sessions = sessions(ring(1));
    for size in SIZES {
        let cookie = sessions.cookie_for_at(visit(size), now).expect("it fits");
        let cookie = HeaderValue::try_from(cookie).expect("ASCII");
        let handlers: [(&str, Handler); 3] = [("untouched", untouched), ("read", read), ("changed", changed)];
        for (name, handler) in handlers {
            let mut service = SessionLayer::new(sessions.clone()).layer(service_fn(handler));
            group.bench_function(format!("{name}/json-with-activity/{size}"), |b| {
                b.iter_batched(
                    || {
                        let mut request = Request::new(());
                        request.headers_mut().insert(COOKIE, cookie.clone());
                        request
                    },
                    |request| {
                        let future = pin!(service.call(request));
                        match future.poll(&mut Context::from_waker(Waker::noop())) {
                            Poll::Ready(response) => response,
                            Poll::Pending => unreachable!("the handler is ready at once"),
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

/// A bound session that has proven itself, and its browser's next proof: the check of an ES256 signature.
#[cfg(feature = "device")]
fn device(c: &mut Criterion) {
    use sealed_session::device::DeviceBinding;
    use sealed_session::testing::Browser;
    use testkit::device::{offer, proof, registration, signing_key};

    let mut group = c.benchmark_group("device");
    let builder = Sessions::builder(ring(1)).audience("bench").clock(|| at(0));
    let sessions: Sessions<Visit> = builder
        .device_binding(DeviceBinding::at("/device"))
        .build()
        .expect("a configuration");
    let proven = header(sessions.proven_cookie_for(visit(ONE_SIZE)).expect("it fits"));
    assert!(opens(&sessions, proven));
    group.bench_function(format!("open-proven/json/{ONE_SIZE}"), |b| {
        b.iter(|| opens(&sessions, black_box(proven)));
    });

    let mut browser = Browser::at(at(0).unix_timestamp().cast_unsigned());
    let mut session = sessions.load(browser.fields());
    session.start(visit(ONE_SIZE)).expect("it fits");
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    browser.receive(&headers);
    let is_offer = |(name, _): &&(String, String)| name == "Secure-Session-Registration";
    let (_, challenge) = offer(&headers.iter().find(is_offer).expect("a sign-in offers").1);
    let key = signing_key([1, 1]);
    let answer = sessions.register_device(&browser.fields(), Some(&registration(&key, &challenge)));
    let told: serde_json::Value = serde_json::from_str(answer.body()).expect("instructions");
    let identifier = told["session_identifier"].as_str();
    let asked = sessions.refresh_device(&browser.fields(), identifier, None);
    let (_, challenge) = asked.headers().last().expect("a challenge");
    let proof = proof(&key, challenge[1..].split('"').next().expect("a text"));
    let refresh = |proof: Option<&str>| sessions.refresh_device(&browser.fields(), identifier, proof).status();
    assert_eq!((refresh(None), refresh(Some(&proof))), (403, 200));
    group.bench_function("refresh/asks", |b| b.iter(|| refresh(None)));
    group.bench_function("refresh/proves", |b| b.iter(|| refresh(Some(black_box(&proof)))));
}

#[cfg(not(feature = "device"))]
fn device(_: &mut Criterion) {
    eprintln!("without the feature `device`, device binding is not measured");
}

#[cfg(not(feature = "tower"))]
fn layer(_: &mut Criterion) {
    eprintln!("without the feature `tower`, the layer is not measured");
}

/// A session in two and in four cookies: opened, opened again, refused for its last cookie, written.
fn chunks(c: &mut Criterion) {
    let sessions = |opened_cache| {
        let builder = Sessions::<Visit>::builder(ring(1)).audience("bench");
        let builder = builder.chunks(4).largest_cookies(20_000).opened_cache(opened_cache);
        builder.build().expect("a configuration")
    };
    let (without_cache, with_cache) = (sessions(0), sessions(1 << 20));
    let mut group = c.benchmark_group("chunks");
    for size in [5000, 12_000] {
        let whole = cookie(&without_cache, size);
        let incomplete = header(whole.replacen("__Host-id.2=", "__Host-id.2=x", 1));
        group.throughput(Throughput::Bytes(size as u64));
        assert!(opens(&without_cache, whole) && rejects(&without_cache, incomplete, 60));
        group.bench_function(format!("open/{size}"), |b| {
            b.iter(|| opens(&without_cache, black_box(whole)));
        });
        group.bench_function(format!("open-seen/{size}"), |b| {
            b.iter(|| opens(&with_cache, black_box(whole)));
        });
        group.bench_function(format!("incomplete/{size}"), |b| {
            b.iter(|| rejects(&without_cache, black_box(incomplete), 60));
        });
        group.bench_function(format!("update/{size}"), |b| {
            b.iter(|| {
                let mut session = load(&without_cache, whole, 60);
                let _ = session.update(|visit| visit.user += 1).expect("it fits");
                session.finish_patch(200)
            });
        });
    }
}

criterion_group!(
    benches, seal, open, reject, rings, threads, day_keys, scan, device, layer, chunks
);
criterion_main!(benches);
