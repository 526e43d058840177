//! The observer that writes to `tracing`: levels, ids and reasons, and nothing of a visitor.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sealed_session::{Key, KeyError, KeyRing, RequestFields, Sessions, TracingObserver};
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

    let sessions = Sessions::<String>::builder(KeyRing::new(Key::generate().unwrap())).observer(TracingObserver);
    let sessions = sessions.build().unwrap();
    let now = OffsetDateTime::now_utc();
    let cookie = sessions.cookie_for("a secret of Ada's".into(), now).unwrap();
    let id = sessions
        .load_at(RequestFields::new([cookie.clone()]), now)
        .id()
        .unwrap()
        .to_string();
    let started = log.take();
    assert!(
        started.contains("DEBUG") && started.contains("sealed_session") && started.contains(&id),
        "{started}"
    );

    let session = sessions.load_at(RequestFields::new([cookie.clone()]), now + time::Duration::days(1));
    assert!(session.get().is_none());
    let rejected = log.take();
    assert!(
        rejected.contains("INFO") && rejected.contains("claims to have expired"),
        "{rejected}"
    );

    let mut session = sessions.load_at(RequestFields::new([cookie.clone()]), now);
    _ = session.finish(200).unwrap();
    session.clear().unwrap_err();
    let late = log.take();
    assert!(late.contains("WARN") && late.contains("WriteTooLate"), "{late}");

    assert!(sessions.reload_from(|| Err(KeyError::EmptyRing)).poll().is_err());
    sessions.replace_keys(KeyRing::new(Key::generate().unwrap()));
    let keys = log.take();
    for event in ["KeysReloadFailed", "SealingKeyDropped"] {
        let line = keys.lines().find(|line| line.contains(event));
        assert!(line.is_some_and(|line| line.contains("WARN")), "{event}: {keys}");
    }

    let token = cookie.split(['=', ';']).nth(1).unwrap();
    for text in [started, rejected, late] {
        assert!(!text.contains("secret of Ada") && !text.contains(token), "{text}");
    }
    drop(guard);
}
