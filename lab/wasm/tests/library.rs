//! A story on the system's clock, and those of the library's own tests that need neither threads nor files.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

#[path = "../../../tests/library"]
mod library {
    use super::builder;

    mod chunks;
    mod session_laws;
    mod table;
}

use std::sync::Arc;
use std::time::Duration;

use sealed_session::revocation::{RevocationFile, Revocations};
use sealed_session::testing::Browser;
use sealed_session::{Builder, Key, KeyRing, Session, SessionData, Sessions, Updated};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Login {
    user: u64,
    theme: String,
}

fn builder<T: SessionData>(keys: impl Into<Arc<KeyRing>>) -> Builder<T> {
    Sessions::builder(keys)
}

fn request(browser: &mut Browser, sessions: &Sessions<Login>, handler: impl FnOnce(&mut Session<Login>)) {
    let mut session = sessions.load(browser.fields());
    handler(&mut session);
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    browser.receive(&headers);
}

fn user(session: &Session<Login>) -> Option<u64> {
    session.get().map(|login| login.user)
}

#[test]
fn a_visitor_signs_in_writes_stays_away_and_signs_out() {
    let sessions = builder(KeyRing::new(Key::generate().unwrap())).build().unwrap();
    let mut ada = Browser::new();
    let theme = String::new();
    request(&mut ada, &sessions, |session| {
        session.start(Login { user: 7, theme }).unwrap();
    });
    request(&mut ada, &sessions, |session| {
        assert_eq!(user(session), Some(7));
        let updated = session.update(|login| login.theme = "dark".to_owned());
        assert_eq!(updated.unwrap(), Updated::Done(()));
    });
    let mut copy = ada.clone();
    request(&mut ada, &sessions, |session| {
        assert_eq!(session.get().unwrap().theme, "dark");
        session.end().unwrap();
    });
    request(&mut copy, &sessions, |session| {
        assert_eq!(user(session), None, "it was revoked");
    });

    let mut bob = Browser::new();
    let sessions = builder(KeyRing::new(Key::generate().unwrap()))
        .clock(bob.clock())
        .build()
        .unwrap();
    let theme = String::new();
    request(&mut bob, &sessions, |session| {
        session.start(Login { user: 8, theme }).unwrap();
    });
    bob.pass(Duration::from_secs(29 * 60));
    request(&mut bob, &sessions, |session| assert_eq!(user(session), Some(8)));
    bob.pass(Duration::from_secs(31 * 60));
    request(&mut bob, &sessions, |session| {
        assert_eq!(user(session), None, "he was away for too long");
    });
}

/// Where there are no threads, what needs one says so. (Where there are, it has one.)
#[test]
fn a_thread_that_is_not_there_is_an_error() {
    let ring = KeyRing::new(Key::generate().unwrap());
    let text = ring.write_with_secrets().expose().to_owned();
    let sessions: Sessions<Login> = builder(ring).build().unwrap();
    let source = move || KeyRing::parse(&text);
    let following = sessions.reload_from(source).every(Duration::from_secs(3600));
    assert_eq!(following.is_err(), cfg!(target_family = "wasm"));
}

/// The runner gives these tests one folder, with the sources, which they cannot write.
#[test]
fn files_that_are_not_there_are_an_error() {
    let nowhere = "/nowhere/at/all";
    assert!(KeyRing::from_file(nowhere).is_err());
    assert!(KeyRing::from_file_or_new(nowhere).is_err());
    assert!(RevocationFile::open(nowhere, Revocations::new()).is_err());
}
