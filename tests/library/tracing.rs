//! The observer that writes to `tracing`: levels, ids and reasons, and no data of a visitor.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sealed_session::events::TracingObserver;
use sealed_session::keys::KeyError;
use sealed_session::{Key, KeyRing, RequestFields, Sessions};
use time::OffsetDateTime;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(bytes).expect("the log is text")
    }
}

#[test]
fn events_are_logged_with_level_and_reason_and_without_data() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);

    let key = Key::generate().unwrap();
    let key_id = key.id();
    let sessions = Sessions::<String>::builder(KeyRing::new(key)).observer(TracingObserver);
    let sessions = sessions.build().unwrap();
    let start = log.take();
    assert!(
        start.contains("INFO") && start.contains(&format!("event=KeysInUse seals={key_id}")),
        "{start}"
    );
    let now = OffsetDateTime::now_utc();
    let cookie = sessions.cookie_for_at("a secret of Ada's".into(), now).unwrap();
    let id = sessions
        .load_at(RequestFields::from_cookies([cookie.clone()]), now)
        .id()
        .unwrap()
        .to_string();
    let started = log.take();
    assert!(
        started.contains("DEBUG") && started.contains("sealed_session") && started.contains(&id),
        "{started}"
    );

    let session = sessions.load_at(
        RequestFields::from_cookies([cookie.clone()]),
        now + time::Duration::hours(1),
    );
    assert!(session.get().is_none());
    let rejected = log.take();
    let fields = format!("event=Rejected reason=idle id={id} key_id={key_id}");
    assert!(rejected.contains("INFO") && rejected.contains(&fields), "{rejected}");
    let session = sessions.load_at(
        RequestFields::from_cookies([cookie.clone()]),
        now + time::Duration::days(1),
    );
    assert!(session.get().is_none());
    let claimed = log.take();
    assert!(
        claimed.contains("DEBUG") && claimed.contains("claims to have expired") && !claimed.contains(&id),
        "{claimed}"
    );

    let mut session = sessions.load_at(RequestFields::from_cookies([cookie.clone()]), now);
    _ = session.finish_patch(200);
    session.end().unwrap_err();
    let late = log.take();
    assert!(late.contains("WARN") && late.contains("WriteTooLate"), "{late}");

    assert!(sessions.reload_from(|| Err(KeyError::EmptyRing)).poll().is_err());
    sessions.replace_keys(KeyRing::new(Key::generate().unwrap()));
    let keys = log.take();
    for event in ["KeysReloadFailed", "KeyDropped"] {
        let line = keys.lines().find(|line| line.contains(event));
        assert!(line.is_some_and(|line| line.contains("WARN")), "{event}: {keys}");
    }

    let token = cookie.split(['=', ';']).nth(1).unwrap();
    for text in [start, started, rejected, claimed, late] {
        assert!(!text.contains("secret of Ada") && !text.contains(token), "{text}");
    }
    drop(guard);
}

/// A server starts with a ring that lacks a key. At the level at which services log, one line a minute says so and
/// names the key, and invented cookies add no line.
#[test]
fn a_bad_deploy_is_one_warning_a_minute() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let lost = Key::generate().unwrap();
    let lost_id = lost.id();
    let start = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let at = |second: i64| start + time::Duration::seconds(second);
    let before = Sessions::<u32>::builder(KeyRing::new(lost)).build().unwrap();
    let sessions = Sessions::<u32>::builder(KeyRing::new(Key::generate().unwrap())).observer(TracingObserver);
    let sessions = sessions.build().unwrap();
    let visit = |cookie: &str, second| {
        let session = sessions.load_at(RequestFields::from_cookies([cookie.to_owned()]), at(second));
        _ = session.state();
    };
    let genuine = before.cookie_for_at(7, at(0)).unwrap();
    let live = sessions.cookie_for_at(7, at(0)).unwrap();
    for second in 0..180 {
        for _ in 0..10 {
            visit(&genuine, second);
        }
        for _ in 0..9 {
            visit(&live, second);
        }
        visit("__Host-id=garbage", second);
    }
    let text = log.take();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "the third minute is not over: {text}");
    for line in lines {
        let fields = format!("event=ManyRejected reason=unknown key key_ids={lost_id} count=600 total=1200");
        assert!(line.contains("WARN") && line.contains(&fields), "{line}");
    }
    drop(guard);
}
