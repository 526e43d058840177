//! Guests: sessions before a sign-in, what survives it, and what `signed_in_if` decides.
use std::cell::Cell;
use std::time::Duration;

use sealed_session::revocation::{RevocationList, Revocations};
use sealed_session::testing::Browser;
use sealed_session::{
    Builder, Event, Lifetime, Reason, RequestFields, Session, SessionId, SessionState, Sessions, Updated, WriteError,
};
use serde::{Deserialize, Serialize};

use super::builder;
use testkit::{START, Seen, after, answered, ring, unseen};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shop {
    user: Option<u32>,
    cart: Vec<String>,
}

impl Shop {
    fn guest(item: &str) -> Self {
        Self {
            user: None,
            cart: vec![item.into()],
        }
    }

    fn user(user: u32) -> Self {
        Self {
            user: Some(user),
            cart: Vec::new(),
        }
    }
}

fn shop() -> (Sessions<Shop>, Seen) {
    shop_with(|builder| builder.signed_in_if(|shop| shop.user.is_some()))
}

fn shop_with(configure: impl Fn(Builder<Shop>) -> Builder<Shop>) -> (Sessions<Shop>, Seen) {
    let seen = Seen::default();
    let builder = builder(ring()).clock(|| after(0)).observer(seen.observer());
    (configure(builder).build().unwrap(), seen)
}

/// The second request with these cookies.
fn load(sessions: &Sessions<Shop>, cookies: &str) -> Session<Shop> {
    let load = || sessions.load(RequestFields::from_cookies([cookies.to_owned()]));
    unseen(|| _ = load().peek());
    load()
}

/// The cookies that a browser with these cookies sends after this response.
#[track_caller]
fn respond(session: &Session<Shop>, cookies: &str) -> String {
    answered(cookies, &session.finish_patch(200))
}

fn visit(sessions: &Sessions<Shop>, cookies: &str, act: impl FnOnce(&mut Session<Shop>)) -> String {
    let mut session = load(sessions, cookies);
    act(&mut session);
    respond(&session, cookies)
}

fn revoked(seen: &Seen) -> Vec<SessionId> {
    let events = seen.take().into_iter();
    let ids = events.filter_map(|event| match event {
        Event::Revoked { id } => Some(id),
        _ => None,
    });
    ids.collect()
}

fn id(sessions: &Sessions<Shop>, cookies: &str) -> SessionId {
    load(sessions, cookies).id().unwrap()
}

// ---- update_or_start, start_with

#[test]
fn a_guests_first_write_starts_a_session_and_the_next_one_changes_it() {
    let (sessions, _) = shop();
    let add = |item: &'static str| {
        move |session: &mut Session<Shop>| {
            let count = session.update_or_start(Shop::default, |shop| {
                shop.cart.push(item.into());
                shop.cart.len()
            });
            assert_eq!(count.unwrap(), session.get().unwrap().cart.len());
        }
    };
    let first = visit(&sessions, "", add("bread"));
    let second = visit(&sessions, &first, add("salt"));
    assert_eq!(load(&sessions, &second).get().unwrap().cart, ["bread", "salt"]);
    assert_eq!(id(&sessions, &first), id(&sessions, &second));
}

#[test]
fn update_or_start_begins_anew_after_a_session_that_has_ended() {
    let (sessions, _) = shop();
    let idle = sessions.cookie_for_at(Shop::guest("old"), after(0)).unwrap();
    let mut session = sessions.load_at(RequestFields::from_cookies([idle]), after(1800));
    session
        .update_or_start(Shop::default, |shop| shop.cart.push("new".into()))
        .unwrap();
    assert_eq!(session.get().unwrap().cart, ["new"]);
    session.end().unwrap();
    session
        .update_or_start(Shop::default, |shop| shop.cart.push("after the end".into()))
        .unwrap();
    assert_eq!(session.get().unwrap().cart, ["after the end"]);
}

#[test]
fn start_with_gives_the_old_data_by_value_and_a_new_id() {
    let (sessions, seen) = shop();
    let guest = visit(&sessions, "", |session| session.start(Shop::guest("bread")).unwrap());
    let before = id(&sessions, &guest);
    let signed_in = visit(&sessions, &guest, |session| {
        session
            .start_with(|old| Shop {
                cart: old.unwrap_or_default().cart,
                ..Shop::user(7)
            })
            .unwrap();
    });
    let session = load(&sessions, &signed_in);
    assert_eq!(session.get().unwrap().cart, ["bread"]);
    assert_ne!(session.id(), Some(before));
    assert_eq!(revoked(&seen), [before]);
    let nothing = Cell::new(false);
    let mut fresh = load(&sessions, "");
    fresh
        .start_with(|old| {
            nothing.set(old.is_none());
            Shop::user(8)
        })
        .unwrap();
    assert!(nothing.get());
}

#[test]
fn an_update_without_a_session_says_no_session() {
    let (sessions, _) = shop();
    let mut session = load(&sessions, "");
    let write: Result<Updated<()>, _> = session.update(|_| panic!("there is nothing to change"));
    assert_eq!(write, Ok(Updated::NoSession));
    assert_eq!(write.unwrap().option(), None);
    assert_eq!(respond(&session, ""), "");
}

#[test]
fn a_write_that_fails_leaves_the_session_as_it_was() {
    let (sessions, _) = shop();
    let cookies = visit(&sessions, "", |session| session.start(Shop::guest("bread")).unwrap());
    let huge = || vec!["x".repeat(5000)];
    type Write = fn(&mut Session<Shop>, Vec<String>) -> Result<(), WriteError>;
    let writes: [Write; 4] = [
        |session, cart| session.update(|shop| shop.cart = cart).map(|_| ()),
        |session, cart| session.update_or_start(Shop::default, |shop| shop.cart = cart),
        |session, cart| session.start_with(|_| Shop { user: Some(7), cart }),
        |session, cart| session.start(Shop { user: Some(7), cart }),
    ];
    for write in writes {
        let mut session = load(&sessions, &cookies);
        let before = (session.get().cloned(), session.id());
        let refused = write(&mut session, huge());
        assert!(matches!(refused, Err(WriteError::TooLarge { .. })), "{refused:?}");
        assert_eq!((session.get().cloned(), session.id()), before);
        assert_eq!(respond(&session, &cookies), cookies);
        // The same without a session before.
        let mut fresh = load(&sessions, "");
        _ = write(&mut fresh, huge());
        assert_eq!(fresh.state(), SessionState::Absent);
    }
}

#[test]
fn a_write_by_another_handle_inside_the_closures_is_a_conflict() {
    let (sessions, _) = shop();
    let cookies = visit(&sessions, "", |session| session.start(Shop::guest("bread")).unwrap());
    type Write = fn(&mut Session<Shop>, &mut Session<Shop>) -> Result<(), WriteError>;
    let writes: [Write; 2] = [
        |session, other| {
            session.start_with(|old| {
                other.update_or_start(Shop::default, |shop| shop.cart.clear()).unwrap();
                old.unwrap_or_default()
            })
        },
        |session, other| {
            session.update_or_start(
                || {
                    other.start(Shop::guest("first")).unwrap();
                    Shop::default()
                },
                |shop| shop.cart.push("lost".into()),
            )
        },
    ];
    // The first reads a session, the second finds none.
    for (write, cookies) in writes.into_iter().zip([&*cookies, ""]) {
        let mut session = load(&sessions, cookies);
        let mut other = session.clone();
        assert_eq!(write(&mut session, &mut other), Err(WriteError::Conflict));
        assert_eq!(session.get(), other.get(), "both handles see the same");
        assert!(session.get().is_some());
    }
}

// ---- what signed_in_if decides

#[test]
fn without_it_every_session_counts_as_signed_in() {
    let (sessions, seen) = shop_with(|builder| builder);
    let cookies = visit(&sessions, "", |session| {
        assert!(!session.is_signed_in());
        session.start(Shop::guest("bread")).unwrap();
        assert!(session.is_signed_in());
    });
    let came = id(&sessions, &cookies);
    seen.take();
    visit(&sessions, &cookies, |session| session.end().unwrap());
    assert_eq!(revoked(&seen), [came]);
}

/// An attacker starts a guest's session and plants its cookie. The attacker's copy is worth nothing after the victim
/// signs in, by whichever call.
#[test]
fn a_planted_guests_cookie_is_worth_nothing_after_the_sign_in() {
    let (sessions, _) = shop();
    let sign_ins: [fn(&mut Session<Shop>); 4] = [
        |session| assert_eq!(session.update(|shop| shop.user = Some(7)), Ok(Updated::Done(()))),
        |session| {
            session
                .update_or_start(Shop::default, |shop| shop.user = Some(7))
                .unwrap();
        },
        |session| session.start_with(|_| Shop::user(7)).unwrap(),
        |session| session.start(Shop::user(7)).unwrap(),
    ];
    for sign_in in sign_ins {
        let planted = sessions.cookie_for(Shop::guest("bait")).unwrap();
        let before = id(&sessions, &planted);
        let victim = visit(&sessions, &planted, |session| {
            assert!(!session.is_signed_in());
            sign_in(session);
            assert!(session.is_signed_in());
        });
        assert_eq!(load(&sessions, &victim).get().unwrap().user, Some(7));
        assert_ne!(id(&sessions, &victim), before);
        assert_eq!(
            load(&sessions, &planted).state(),
            SessionState::Rejected(Reason::Revoked)
        );
        // On a server that does not know of the revocation it is a guest's as before.
        let (elsewhere, _) = shop();
        assert!(!load(&elsewhere, &planted).is_signed_in());
        // The activity cookie of one does not serve the other.
        let mixed = format!(
            "{}; {}",
            victim.split("; ").next().unwrap(),
            planted.split("; ").nth(1).unwrap()
        );
        assert_eq!(load(&sessions, &mixed).state(), SessionState::Rejected(Reason::Idle));
    }
}

#[test]
fn an_update_that_changes_nothing_of_it_keeps_the_id() {
    let (sessions, seen) = shop();
    for data in [Shop::guest("bread"), Shop::user(7)] {
        let cookies = visit(&sessions, "", |session| session.start(data).unwrap());
        let after = visit(&sessions, &cookies, |session| {
            assert_eq!(
                session.update(|shop| shop.cart.push("salt".into())),
                Ok(Updated::Done(()))
            );
        });
        assert_eq!(id(&sessions, &cookies), id(&sessions, &after));
    }
    assert_eq!(revoked(&seen), []);
}

/// A sign-out that keeps the cart: copies of the session that was signed in end with it.
#[test]
fn an_update_that_signs_out_revokes_the_session_that_was_signed_in() {
    let (sessions, seen) = shop();
    let kept = visit(&sessions, "", |session| session.start(Shop::user(7)).unwrap());
    let signed_in = id(&sessions, &kept);
    seen.take();
    let mut session = load(&sessions, &kept);
    assert_eq!(session.update(|shop| shop.user = None), Ok(Updated::Done(())));
    assert_eq!(revoked(&seen), [], "not before it is sent");
    let guest = respond(&session, &kept);
    assert_eq!(revoked(&seen), [signed_in]);
    assert_eq!(load(&sessions, &kept).state(), SessionState::Rejected(Reason::Revoked));
    assert_eq!(load(&sessions, &guest).get(), Some(&Shop::default()));
    // A 500 sends nothing: the browser keeps the session, and it stays valid.
    let kept = visit(&sessions, "", |session| session.start(Shop::user(7)).unwrap());
    let mut session = load(&sessions, &kept);
    assert_eq!(session.update(|shop| shop.user = None), Ok(Updated::Done(())));
    assert_eq!(session.finish_patch(500).set_cookies().count(), 0);
    assert_eq!(load(&sessions, &kept).get(), Some(&Shop::user(7)));
}

#[test]
fn after_a_new_id_in_the_same_request_the_session_that_came_is_revoked_too() {
    let (sessions, seen) = shop();
    let kept = visit(&sessions, "", |session| session.start(Shop::user(7)).unwrap());
    let signed_in = id(&sessions, &kept);
    seen.take();
    visit(&sessions, &kept, |session| {
        session.cycle_id().unwrap();
        assert_eq!(session.update(|shop| shop.user = None), Ok(Updated::Done(())));
    });
    assert_eq!(revoked(&seen), [signed_in]);
}

#[test]
fn what_never_left_the_server_needs_no_second_id() {
    let (sessions, _) = shop();
    visit(&sessions, "", |session| {
        session.start(Shop::guest("bread")).unwrap();
        let id = session.id();
        assert_eq!(session.update(|shop| shop.user = Some(7)), Ok(Updated::Done(())));
        assert_eq!(session.id(), id);
    });
}

// ---- what is revoked

/// What each act revokes, for each kind of session that the request brings.
#[test]
fn strangers_cannot_fill_the_revocation_list() {
    let (sessions, seen) = shop_with(|builder| {
        builder
            .signed_in_if(|shop| shop.user.is_some())
            .refuse_if(|opened| opened.data.cart.iter().any(|item| item == "refused"))
            .remembered(Lifetime::absolute(Duration::from_secs(86_400)))
    });
    let refused = |user| Shop {
        user,
        ..Shop::guest("refused")
    };
    let live = |data| sessions.cookie_for(data).unwrap();
    // The session cookie alone: idle. It is genuine, and says whose it was.
    let idle = |data| live(data).split("; ").next().unwrap().to_owned();
    let old = |data| {
        sessions
            .cookie_for_at(data, after(0) - Duration::from_secs(43_200))
            .unwrap()
    };
    let acts: [fn(&mut Session<Shop>); 3] = [
        |session| session.end().unwrap(),
        |session| session.start(Shop::guest("other")).unwrap(),
        |session| session.start_with(|_| Shop::guest("other")).unwrap(),
    ];
    for act in acts {
        for cookies in [
            live(Shop::guest("bread")),
            idle(Shop::guest("bread")),
            live(refused(None)),
            format!("{}; {}", live(Shop::guest("one")), live(Shop::guest("two"))),
        ] {
            seen.take();
            visit(&sessions, &cookies, act);
            assert_eq!(revoked(&seen), []);
        }
        for cookies in [live(Shop::user(7)), idle(Shop::user(7)), live(refused(Some(7)))] {
            seen.take();
            visit(&sessions, &cookies, act);
            assert_eq!(revoked(&seen).len(), 1);
        }
        // Together with a guest's, in either order.
        for pair in [
            [live(Shop::guest("bread")), live(Shop::user(7))],
            [idle(Shop::user(7)), live(Shop::guest("bread"))],
        ] {
            seen.take();
            visit(&sessions, &pair.join("; "), act);
            assert_eq!(revoked(&seen).len(), 1);
        }
        // Too old: a guest's is not revoked, another's is.
        for (data, expected) in [(Shop::guest("bread"), 0), (Shop::user(7), 1)] {
            seen.take();
            let shortened = shop_with(|builder| {
                builder
                    .signed_in_if(|shop| shop.user.is_some())
                    .lifetime(Lifetime::absolute(Duration::from_secs(60)))
            });
            let cookies = sessions
                .cookie_for_at(data, after(0) - Duration::from_secs(60))
                .unwrap();
            assert_eq!(
                load(&shortened.0, &cookies).state(),
                SessionState::Rejected(Reason::TooOld)
            );
            shortened.1.take();
            visit(&shortened.0, &cookies, act);
            assert_eq!(revoked(&shortened.1).len(), expected);
        }
        seen.take();
        visit(&sessions, &old(Shop::user(7)), act);
        assert_eq!(revoked(&seen), [], "what claims to be expired is no token any more");
    }
}

/// A write of the guest whose answer comes after the sign-in would replace the user's session by the guest's.
#[test]
fn a_late_answer_to_the_guest_does_not_undo_the_sign_in() {
    let (sessions, _) = shop();
    let guest = sessions.cookie_for(Shop::guest("bread")).unwrap();
    let mut late = load(&sessions, &guest);
    late.update_or_start(Shop::default, |shop| shop.cart.push("salt".into()))
        .unwrap();
    let signed_in = visit(&sessions, &guest, |session| session.start(Shop::user(7)).unwrap());
    assert_eq!(respond(&late, &signed_in), signed_in);
}

/// `end` does not revoke the guest's session; the sign-in after it does.
#[test]
fn a_sign_in_after_an_end_takes_the_guests_session_with_it() {
    let (sessions, seen) = shop();
    let guest = sessions.cookie_for(Shop::guest("bread")).unwrap();
    let user = sessions.cookie_for(Shop::user(7)).unwrap();
    for (came, data, is_revoked) in [
        (&guest, Shop::guest("salt"), false),
        (&guest, Shop::user(9), true),
        (&user, Shop::user(9), true),
    ] {
        let before = id(&sessions, came);
        revoked(&seen);
        visit(&sessions, came, |session| {
            session.end().unwrap();
            session.start(data).unwrap();
        });
        let expected = if is_revoked { vec![before] } else { Vec::new() };
        assert_eq!(revoked(&seen), expected, "once");
    }
}

/// A payload that no longer fits the type cannot be judged: it may have been a user's.
#[test]
fn what_cannot_be_judged_is_revoked() {
    let other = builder::<u32>(ring()).clock(|| after(0)).build().unwrap();
    let cookies = other.cookie_for(7).unwrap();
    let (sessions, seen) = shop();
    assert_eq!(
        load(&sessions, &cookies).state(),
        SessionState::Rejected(Reason::Payload)
    );
    seen.take();
    visit(&sessions, &cookies, |session| session.end().unwrap());
    assert_eq!(revoked(&seen).len(), 1);
}

#[test]
fn a_guest_who_becomes_remembered_leaves_no_entry() {
    let (sessions, seen) = shop_with(|builder| {
        builder
            .signed_in_if(|shop| shop.user.is_some())
            .remembered(Lifetime::absolute(Duration::from_secs(86_400)))
    });
    for (data, expected) in [(Shop::guest("bread"), 0), (Shop::user(7), 1)] {
        let cookies = sessions.cookie_for(data).unwrap();
        seen.take();
        visit(&sessions, &cookies, |session| session.remember(true).unwrap());
        assert_eq!(revoked(&seen).len(), expected);
    }
}

#[test]
fn a_handler_revokes_another_session_and_raises_the_cut_off_without_a_state_of_its_own() {
    let (sessions, _) = shop();
    let (one, two) = (
        sessions.cookie_for(Shop::user(7)).unwrap(),
        sessions.cookie_for(Shop::user(7)).unwrap(),
    );
    let handler = load(&sessions, &one);
    handler.sessions().revoke(id(&sessions, &two));
    assert_eq!(load(&sessions, &two).state(), SessionState::Rejected(Reason::Revoked));
    assert_eq!(load(&sessions, &one).state(), SessionState::Valid);
    handler.sessions().raise_cut_off(after(1));
    assert_eq!(load(&sessions, &one).state(), SessionState::Rejected(Reason::Revoked));
}

// ---- what a sign-in by an update begins

fn remembering() -> (Sessions<Shop>, Seen, Browser) {
    let browser = Browser::at(START);
    let seen = Seen::default();
    let sessions = builder(ring())
        .clock(browser.clock())
        .signed_in_if(|shop: &Shop| shop.user.is_some())
        .remembered(Lifetime::absolute(Duration::from_secs(90 * 86_400)))
        .observer(seen.observer())
        .build()
        .unwrap();
    (sessions, seen, browser)
}

#[test]
fn a_sign_in_by_an_update_is_as_new_as_one_by_a_start() {
    let (sessions, _, browser) = remembering();
    let mut session = sessions.load(browser.fields());
    session.start(Shop::guest("bread")).unwrap();
    session.remember(true).unwrap();
    browser.pass(Duration::from_secs(100));
    let cookies = answered("", &session.finish_patch(200));
    browser.pass(Duration::from_secs(43_000));
    let mut session = load(&sessions, &cookies);
    assert!(session.is_remembered());
    assert_eq!(session.update(|shop| shop.user = Some(7)), Ok(Updated::Done(())));
    assert_eq!(session.started(), Some(browser.now()));
    assert_eq!(session.expires(), Some(browser.now() + Duration::from_secs(43_200)));
    assert!(!session.is_remembered(), "the one before was");
    session.remember(true).unwrap();
    // The request's own choice holds.
    assert_eq!(session.update(|shop| shop.user = None), Ok(Updated::Done(())));
    assert!(session.is_remembered());
}

/// `refuse_if` refuses sessions older than the user's last change of password, and the guest's session is older.
#[test]
fn a_guest_from_before_a_change_of_password_signs_in_by_an_update() {
    let browser = Browser::at(START);
    let changed = browser.now() + Duration::from_secs(600);
    let sessions = builder(ring())
        .clock(browser.clock())
        .signed_in_if(|shop: &Shop| shop.user.is_some())
        .refuse_if(move |opened| opened.data.user.is_some() && opened.started < changed)
        .build()
        .unwrap();
    let guest = sessions.cookie_for(Shop::guest("bread")).unwrap();
    browser.pass(Duration::from_secs(1200));
    let signed_in = visit(&sessions, &guest, |session| {
        assert_eq!(session.update(|shop| shop.user = Some(7)), Ok(Updated::Done(())));
    });
    assert!(load(&sessions, &signed_in).is_signed_in());
}

/// Two requests bring the same guest. The first revoked the guest's session, but the browser has dropped its answer.
#[test]
fn a_second_click_on_sign_in_signs_in_too() {
    let sign_ins: [fn(&mut Session<Shop>); 3] = [
        |session| assert_eq!(session.update(|shop| shop.user = Some(7)), Ok(Updated::Done(()))),
        |session| {
            session
                .start_with(|old| Shop {
                    user: Some(7),
                    ..old.unwrap()
                })
                .unwrap();
        },
        |session| session.start(Shop::user(7)).unwrap(),
    ];
    for sign_in in sign_ins {
        let (sessions, _) = shop();
        let guest = sessions.cookie_for(Shop::guest("bread")).unwrap();
        let (mut first, mut second) = (load(&sessions, &guest), load(&sessions, &guest));
        sign_in(&mut first);
        sign_in(&mut second);
        respond(&first, &guest);
        let signed_in = respond(&second, &guest);
        assert!(load(&sessions, &signed_in).is_signed_in());
    }
}

#[test]
fn a_sign_out_is_sent_even_if_the_session_started_after_it_has_ended() {
    let (sessions, _, browser) = remembering();
    let cookies = sessions.cookie_for(Shop::user(7)).unwrap();
    let mut session = load(&sessions, &cookies);
    session.end().unwrap();
    session.start(Shop::user(8)).unwrap();
    browser.pass(Duration::from_secs(43_200));
    assert_eq!(respond(&session, &cookies), "");
}

#[test]
fn an_observer_that_panics_leaves_nothing_unrevoked() {
    let (sessions, _) = shop_with(|builder| {
        builder.observer(|event: &Event| assert!(!matches!(event, Event::Revoked { .. }), "it panics"))
    });
    let cookies = [7, 8].map(|user| sessions.cookie_for(Shop::user(user)).unwrap());
    let mut session = load(&sessions, &cookies.join("; "));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.end()));
    assert!(ended.is_err());
    for cookies in cookies {
        assert_eq!(
            load(&sessions, &cookies).state(),
            SessionState::Rejected(Reason::Revoked)
        );
    }
}

#[test]
fn a_write_that_is_never_finished_is_reported() {
    let (sessions, seen) = shop();
    let mut session = load(&sessions, "");
    session.start(Shop::user(7)).unwrap();
    drop(session.clone());
    assert_eq!(seen.take(), []);
    drop(session);
    assert_eq!(seen.take(), [Event::WriteDiscarded { status: 500 }]);
    _ = load(&sessions, "").get();
    assert_eq!(seen.take(), []);
}

#[test]
fn the_list_of_revocations_may_be_chosen_at_run_time() {
    let shared = Revocations::new();
    let list: Box<dyn RevocationList> = Box::new(shared.clone());
    let sessions = builder::<Shop>(ring()).revocation_list(list).build().unwrap();
    sessions.revoke(SessionId::from_bytes([1; 8]));
    assert!(shared.is_revoked(SessionId::from_bytes([1; 8])));
}
