//! Code of the application that runs while an endpoint answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock};

use super::*;

/// Each callback uses the sessions, and the answers stay what they are: none waits for a lock, and none panics.
#[test]
fn callbacks_may_use_the_sessions_while_an_endpoint_answers() {
    let mut ada = Visitor::new();
    let cell = Arc::new(OnceLock::<Sessions<Value>>::new());
    let is_inside = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let use_it = {
        let (cell, calls) = (Arc::clone(&cell), Arc::clone(&calls));
        move || {
            // What a callback does tells the observer, too.
            if let Some(sessions) = cell.get().filter(|_| !is_inside.swap(true, SeqCst)) {
                calls.fetch_add(1, SeqCst);
                let session = sessions.load(RequestFields::default());
                assert_eq!((session.device(), session.prove_first()), (DeviceState::Unbound, None));
                assert!(session.require_proof(Duration::ZERO).is_err());
                assert_eq!(sessions.device_path(), Some("/device"));
                assert_eq!(
                    sessions.refresh_device(&RequestFields::default(), None, None).status(),
                    401
                );
                sessions.replace_keys(ring());
                is_inside.store(false, SeqCst);
            }
        }
    };
    let (a, b, c) = (use_it.clone(), use_it.clone(), use_it);
    let sessions = builder(&ada.device.browser)
        .refuse_if(move |_: &sealed_session::Opened<'_, Value>| {
            a();
            false
        })
        .signed_in_if(move |_| {
            b();
            true
        })
        .observer(move |_: &sealed_session::Event| c())
        .build()
        .unwrap();
    assert!(cell.set(sessions.clone()).is_ok());
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    assert_eq!(ada.look(&sessions), PROVEN);
    assert!(calls.load(SeqCst) > 5);
    // Refusals tell the observer, too.
    let fields = ada.device.browser.fields();
    assert_eq!(sessions.register_device(&fields, Some("no proof")).status(), 400);
    assert_eq!(sessions.refresh_device(&fields, Some("no key"), None).status(), 401);
}

/// A panic of a callback is the application's, and leaves the sessions as they were.
#[test]
fn a_panic_of_a_callback_in_an_endpoint_spoils_nothing() {
    let mut ada = Visitor::new();
    let panics = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&panics);
    let refuse = move |_: &sealed_session::Opened<'_, Value>| {
        assert!(!told.load(SeqCst), "as the test wants it");
        false
    };
    let sessions = builder(&ada.device.browser).refuse_if(refuse).build().unwrap();
    ada.bind(&sessions);
    ada.pass(12 * MINUTE);
    panics.store(true, SeqCst);
    let fields = ada.device.browser.fields();
    let identifier = ada.device.bindings[0].identifier.clone();
    let answer = AssertUnwindSafe(|| sessions.refresh_device(&fields, Some(&identifier), None));
    assert!(catch_unwind(answer).is_err());
    panics.store(false, SeqCst);
    assert_eq!(ada.look(&sessions), PROVEN);
}
