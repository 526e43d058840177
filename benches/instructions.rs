//! A fixed script of operations for an instruction counter: `instructions OPERATION COUNT`.
//!
//! `benches/instructions.sh` runs it under callgrind and compares with `benches/instructions.budget`.

mod payload;

use std::hint::black_box;

use payload::{Visit, visit};
use sealed_session::{Key, KeyRing, Lifetime, RequestFields, Session, Sessions};
use time::OffsetDateTime;

const NOW: i64 = 1_893_369_600;
const KEY: &str = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81";

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW + seconds).expect("a time")
}

fn sessions(with_idle: bool) -> Sessions<Visit> {
    let builder = Sessions::builder(KeyRing::new(Key::parse(KEY).expect("a key"))).audience("bench");
    let builder = if with_idle {
        builder
    } else {
        builder.lifetime(Lifetime::default().without_idle())
    };
    builder.build().expect("a configuration")
}

/// The text before the first `/` names the operation, the rest is the payload's size.
fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [operation, count] = &arguments[..] else {
        println!("usage: instructions OPERATION/SIZE COUNT (run by benches/instructions.sh)");
        return;
    };
    let count: u32 = count.parse().expect("a number");
    let (operation, size) = operation.split_once('/').expect("OPERATION/SIZE");
    let size: usize = size.parse().expect("a number");
    let with_idle = sessions(true);
    let without_idle = sessions(false);
    let data = visit(size);
    let cookie = with_idle.cookie_for_at(data.clone(), at(0)).expect("it fits");
    let token = cookie.split("; ").next().expect("a session cookie").to_owned();
    let altered = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        let at = "__Host-id=".len() + at;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let read = |sessions: &Sessions<Visit>, cookie: &str, now: i64| {
        let session = sessions.load_at(RequestFields::from_cookies([cookie.to_owned()]), at(now));
        black_box(session.get().is_some())
    };
    let sends = |session: &Session<Visit>| black_box(session.finish_patch(200)).set_cookies().next().is_some();
    for _ in 0..count {
        let found = match operation {
            "open" => read(&without_idle, &token, 60),
            "open-with-activity" => read(&with_idle, &cookie, 60),
            "reject-flipped-bit" => !read(&without_idle, &altered(80), 60),
            "reject-expired" => !read(&without_idle, &token, 13 * 3600),
            "reject-unknown-key" => !read(&without_idle, &altered(3), 60),
            "untouched" => {
                let session = with_idle.load_at(RequestFields::from_cookies([cookie.clone()]), at(60));
                session.finish_patch(200).set_cookies().next().is_none()
            }
            "start" => {
                let mut session = with_idle.load_at(RequestFields::default(), at(0));
                session.start(data.clone()).is_ok() && sends(&session)
            }
            "update" => {
                let mut session = with_idle.load_at(RequestFields::from_cookies([cookie.clone()]), at(60));
                let changed = session.update(|visit| visit.user += 1);
                changed.is_ok() && sends(&session)
            }
            other => panic!("no operation {other}"),
        };
        assert!(found, "{operation}");
    }
}
