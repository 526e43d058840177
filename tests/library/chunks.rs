//! Sessions that take several cookies: what is sent, what opens, and what never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealed_session::edge::{Checker, EdgeRights};
use sealed_session::revocation::Revocations;
use sealed_session::testing::Browser;
use sealed_session::{
    Builder, Event, KeyRing, Lifetime, Reason, RequestFields, Session, SessionState, Sessions, WriteError,
};
use testkit::{START, Seen, answered, key, ring};

/// Bytes of JSON in as few cookies as the numbers say.
const IN: [usize; 5] = [0, 1000, 4000, 8000, 12_000];

fn data(cookies: usize) -> String {
    "x".repeat(IN[cookies] - "\"\"".len())
}

fn builder(browser: &Browser) -> Builder<String> {
    super::builder(ring())
        .clock(browser.clock())
        .chunks(4)
        .largest_cookies(20_000)
}

struct Visitor {
    browser: Browser,
    sessions: Sessions<String>,
    seen: Seen,
}

fn visitor() -> Visitor {
    visitor_with(|builder| builder)
}

fn visitor_with(configure: impl FnOnce(Builder<String>) -> Builder<String>) -> Visitor {
    let (browser, seen) = (Browser::at(START), Seen::default());
    let sessions = configure(builder(&browser)).observer(seen.observer()).build().unwrap();
    Visitor {
        browser,
        sessions,
        seen,
    }
}

impl Visitor {
    /// A request and its response, which the browser keeps. Returns the `Set-Cookie` lines.
    fn visit(&mut self, act: impl FnOnce(&mut Session<String>)) -> Vec<String> {
        let mut session = self.sessions.load(self.browser.fields());
        act(&mut session);
        let mut headers = Vec::new();
        session.finish(200, &mut headers);
        self.browser.receive(&headers);
        let lines = headers.into_iter().filter(|(name, _)| name == "Set-Cookie");
        lines.map(|(_, line)| line).collect()
    }

    fn start(&mut self, cookies: usize) -> Vec<String> {
        self.visit(|session| session.start(data(cookies)).unwrap())
    }

    fn update(&mut self, cookies: usize) -> Vec<String> {
        self.visit(|session| _ = session.update(|text| *text = data(cookies)).unwrap())
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.browser.cookies().map(|cookie| &*cookie.name).collect();
        names.sort_unstable();
        names
    }

    fn state(&self) -> SessionState {
        self.sessions.load(self.browser.fields()).state()
    }

    #[track_caller]
    fn has(&self, cookies: usize) {
        let session = self.sessions.load(self.browser.fields());
        assert_eq!(session.get(), Some(&data(cookies)), "{:?}", session.state());
    }
}

const INCOMPLETE: SessionState = SessionState::Rejected(Reason::Incomplete);

/// Names of the cookies that these lines set and remove, in order.
fn done(lines: &[String]) -> (Vec<&str>, Vec<&str>) {
    let names = |removed| {
        let lines = lines.iter().filter(move |line| line.contains("; Max-Age=0") == removed);
        lines.map(|line| name_of(line)).collect()
    };
    (names(false), names(true))
}

fn name_of(line: &str) -> &str {
    line.split_once('=').unwrap().0
}

#[test]
fn a_session_grows_and_shrinks_and_leaves_nothing_behind() {
    let mut ada = visitor();
    for before in 1..=4 {
        for after in (1..=4).filter(|&after| after != before) {
            let lines = ada.start(before);
            assert_eq!(done(&lines).0.len(), before + 1);
            let lines = ada.update(after);
            ada.has(after);
            let cookies = |from: usize, to: usize| (from..=to).map(|number| format!("__Host-id.{number}"));
            let (set, removed) = done(&lines);
            assert!(
                set.iter()
                    .copied()
                    .eq(cookies(2, after).chain(["__Host-id".to_owned()])),
                "{set:?}"
            );
            assert!(removed.iter().copied().eq(cookies(after + 1, before)), "{removed:?}");
            assert_eq!(ada.names().len(), after + 1);
            let position = |name| lines.iter().position(|line| name_of(line) == name);
            let others = lines.iter().filter(|line| name_of(line) != "__Host-id").count();
            assert_eq!(
                position("__Host-id"),
                Some(others),
                "what makes the others count comes last"
            );
            let lines = ada.visit(|session| session.end().unwrap());
            let (set, removed) = done(&lines);
            assert!(set.is_empty() && ada.names().is_empty(), "{set:?} {:?}", ada.names());
            assert_eq!(removed.last(), Some(&"__Host-id"));
        }
    }
}

#[test]
fn the_cookies_have_the_same_attributes_and_no_other_response_touches_them() {
    let month = Lifetime::absolute(Duration::from_secs(30 * 86_400));
    let mut ada = visitor_with(|builder| builder.remembered(month));
    let lines = ada.visit(|session| {
        session.start(data(3)).unwrap();
        session.remember(true).unwrap();
    });
    let attributes = |line: &String| line.split_once(';').unwrap().1.to_owned();
    let of_session: Vec<_> = lines[..3].iter().map(attributes).collect();
    assert_eq!(
        of_session[0],
        " Path=/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax"
    );
    assert!(of_session.iter().all(|other| *other == of_session[0]));
    ada.browser.restart();
    ada.has(3);
    assert!(ada.visit(|session| assert!(session.get().is_some())).is_empty());
    ada.browser.pass(Duration::from_secs(2 * 86_400));
    let renewed = ada.visit(|session| assert!(session.get().is_some()));
    assert_eq!(done(&renewed), (vec!["__Host-id-seen"], vec![]), "activity alone");
    // Strays of an older session stay, whatever is read beside them.
    let stray = format!("{}x", ada.browser.value("__Host-id.3").unwrap());
    ada.start(1);
    ada.browser.put(&format!("__Host-id.3={stray}"));
    assert!(ada.visit(|session| assert!(session.get().is_some())).is_empty());
    let mut guest = visitor();
    guest.browser.put(&format!("__Host-id.2={stray}"));
    assert_eq!(guest.state(), SessionState::Absent);
    assert!(guest.visit(|session| assert!(session.get().is_none())).is_empty());
}

#[test]
fn writing_is_switched_on_and_off_without_an_end_to_any_session() {
    let mut ada = visitor();
    let off = super::builder(ring()).clock(ada.browser.clock()).build().unwrap();
    let on = ada.sessions.clone();
    ada.start(3);
    for turn in 0..4 {
        // Rolled back: what is there is read, written as large and smaller, gets a new id; but grows into no other cookie.
        ada.sessions = off.clone();
        ada.has(3);
        let lines = ada.visit(|session| {
            let id = session.id();
            session.cycle_id().unwrap();
            assert_ne!(session.id(), id);
        });
        assert_eq!(done(&lines).0.len(), 4);
        ada.visit(|session| {
            _ = session
                .update(|text| text.replace_range(..1, &turn.to_string()))
                .unwrap();
        });
        ada.visit(|session| {
            let grown = session.update(|text| *text = data(4));
            assert!(
                matches!(grown, Err(WriteError::TooLarge { option: "chunks", .. })),
                "{grown:?}"
            );
            let other = session.start(data(3));
            assert!(
                matches!(
                    other,
                    Err(WriteError::TooLarge {
                        limit: 4096,
                        option: "chunks",
                        ..
                    })
                ),
                "{other:?}"
            );
        });
        ada.sessions = on.clone();
        ada.update(4);
        ada.has(4);
        ada.sessions = off.clone();
        ada.has(4);
        ada.update(1);
        assert_eq!(ada.names(), ["__Host-id", "__Host-id-seen"]);
        let grown = ada.sessions.load(ada.browser.fields()).update(|text| *text = data(2));
        assert!(grown.is_err(), "it is a session in one cookie");
        ada.sessions = on.clone();
        ada.update(3);
    }
}

#[test]
fn a_cookie_that_is_missing_older_or_swapped_gives_no_session_and_says_which() {
    let mut ada = visitor();
    ada.start(4);
    let older = ada.browser.clone();
    ada.visit(|session| session.cycle_id().unwrap());
    ada.has(4);
    ada.seen.take();
    let whole = ada.browser.clone();
    for number in 2..=4_u8 {
        let name = format!("__Host-id.{number}");
        ada.browser.remove(&name);
        assert_eq!(ada.state(), INCOMPLETE);
        let missing = Event::ChunkMissing {
            chunk: number,
            chunks: 4,
        };
        assert!(ada.seen.take().contains(&missing));
        // A read removes nothing.
        assert!(ada.visit(|session| assert!(session.get().is_none())).is_empty());
        ada.browser.put(&format!("{name}={}", older.value(&name).unwrap()));
        assert_eq!(ada.state(), INCOMPLETE, "of the state before");
        // With the right tie in front, decryption tells.
        let (tie, old) = (&whole.value(&name).unwrap()[..8], &older.value(&name).unwrap()[8..]);
        ada.browser.put(&format!("{name}={tie}{old}"));
        assert_eq!(ada.state(), SessionState::Rejected(Reason::Damaged));
        ada.browser = whole.clone();
        ada.has(4);
    }
    let [two, three] = ["__Host-id.2", "__Host-id.3"].map(|name| whole.value(name).unwrap());
    ada.browser.put(&format!("__Host-id.2={three}; __Host-id.3={two}"));
    assert_eq!(ada.state(), SessionState::Rejected(Reason::Damaged));
    ada.browser = whole.clone();
    ada.browser.remove("__Host-id");
    assert_eq!(ada.state(), SessionState::Absent);
    ada.browser
        .put(&format!("__Host-id={}", older.value("__Host-id").unwrap()));
    assert_eq!(ada.state(), INCOMPLETE, "the head of the state before");
}

#[test]
fn the_first_cookie_that_is_missing_is_reported_if_nothing_got_further() {
    let mut ada = visitor();
    ada.start(4);
    let four = ada.browser.clone();
    ada.start(2);
    let two = ada.browser.value("__Host-id").unwrap();
    let damaged = format!("{}{}", &two[..two.len() - 8], "AAAAAAAA");
    let four = four.value("__Host-id").unwrap();
    let missing = |cookies: String| {
        ada.seen.take();
        let state = ada.sessions.load(RequestFields::from_cookies([cookies])).state();
        let events = ada.seen.take().into_iter();
        let missing = events.filter(|event| matches!(event, Event::ChunkMissing { .. }));
        (state, missing.collect::<Vec<_>>())
    };
    for (first, second, chunks) in [(four, two, 4), (two, four, 2)] {
        let reported = vec![Event::ChunkMissing { chunk: 2, chunks }];
        let cookies = format!("__Host-id={first}; __Host-id={second}");
        assert_eq!(missing(cookies), (INCOMPLETE, reported));
    }
    let second = ada.browser.value("__Host-id.2").unwrap();
    for heads in [[four, &damaged], [&damaged, four]] {
        let [one, other] = heads;
        let cookies = format!("__Host-id={one}; __Host-id={other}; __Host-id.2={second}");
        assert_eq!(missing(cookies), (SessionState::Rejected(Reason::Damaged), vec![]));
    }
}

#[test]
fn a_sign_out_with_a_part_of_the_cookies_revokes_nothing() {
    // Whoever holds a check key can make such a first cookie: it proves no id.
    let list = Revocations::new();
    let mut ada = visitor_with(|builder| builder.revocation_list(list.clone()));
    ada.start(3);
    let whole = ada.browser.clone();
    ada.browser.remove("__Host-id.3");
    ada.visit(|session| session.end().unwrap());
    assert!(ada.names().is_empty() && list.is_empty());
    ada.browser = whole;
    ada.visit(|session| session.end().unwrap());
    assert_eq!(list.len(), 1);
}

#[test]
fn a_mixture_heals_with_the_next_sign_in_and_leaves_nothing_after_a_sign_out() {
    for act in ["start", "end"] {
        let mut ada = visitor();
        ada.start(4);
        ada.browser.remove("__Host-id.3");
        assert_eq!(ada.state(), INCOMPLETE);
        if act == "start" {
            ada.start(2);
            ada.has(2);
            assert_eq!(ada.names(), ["__Host-id", "__Host-id-seen", "__Host-id.2"]);
        } else {
            ada.visit(|session| session.end().unwrap());
            assert!(ada.names().is_empty());
        }
    }
}

#[test]
fn a_sign_out_revokes_every_copy() {
    let mut ada = visitor();
    ada.start(3);
    let thief = ada.browser.clone();
    ada.visit(|session| session.end().unwrap());
    ada.browser = thief;
    assert_eq!(ada.state(), SessionState::Rejected(Reason::Revoked));
}

#[test]
fn timeouts_cut_off_and_rotation_hold_for_sessions_in_chunks() {
    let mut ada = visitor();
    ada.start(3);
    ada.browser.pass(Duration::from_secs(29 * 60));
    ada.has(3);
    let rotated = KeyRing::new(key(2)).also_opening(key(1)).unwrap();
    ada.sessions.replace_keys(rotated);
    ada.has(3);
    ada.update(2);
    ada.sessions.replace_keys(KeyRing::new(key(2)));
    ada.has(2);
    let idle = ada.browser.clone();
    ada.sessions
        .raise_cut_off(ada.browser.now() - Duration::from_secs(3600));
    ada.has(2);
    ada.browser.pass(Duration::from_secs(30 * 60));
    assert_eq!(ada.state(), SessionState::Rejected(Reason::Idle));
    ada.start(2);
    ada.sessions.raise_cut_off(ada.browser.now() + Duration::from_secs(1));
    assert_eq!(ada.state(), SessionState::Rejected(Reason::Revoked));
    ada.sessions.replace_keys(KeyRing::new(key(3)));
    ada.browser = idle;
    assert_eq!(ada.state(), SessionState::Rejected(Reason::UnknownKey));
}

#[test]
fn an_edge_checks_the_first_cookie_alone() {
    let mut ada = visitor();
    ada.start(3);
    let now = ada.browser.now();
    let keys = ada.sessions.edge_keys_at(1, EdgeRights::Check, now);
    let checker = Checker::from_edge_keys(keys.expose()).unwrap();
    let id = ada.sessions.load(ada.browser.fields()).id();
    ada.browser.remove("__Host-id.2");
    ada.browser.remove("__Host-id.3");
    let checked = checker.check_at(&ada.browser.fields(), now).unwrap();
    assert_eq!((Some(checked.id), checked.active_until.is_some()), (id, true));
    let value = ada.browser.value("__Host-id").unwrap();
    let cut = format!("__Host-id={}", &value[..value.len() - 4]);
    let cut = checker.check_at(&RequestFields::from_cookies([cut]), now);
    assert_eq!(cut, Err(Reason::Malformed));
}

#[test]
fn too_large_names_the_number_the_option_and_the_largest_field() {
    let sessions = super::builder::<serde_json::Value>(ring()).chunks(2).build().unwrap();
    let data = serde_json::json!({ "user": 7, "access_token": "x".repeat(6000) });
    let refused = sessions.cookie_for(data).unwrap_err();
    let WriteError::TooLarge {
        size,
        limit,
        option,
        ref largest_field,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((limit, option), (7500, "largest_cookies"));
    assert_eq!(*largest_field, Some(("access_token".to_owned(), 6002)));
    let text = refused.to_string();
    for part in [&size.to_string(), "7500", "`largest_cookies`", "`access_token`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_two_servers_of_one_name_and_dot_would_mean_is_left_to_the_tie() {
    // An application's own cookie with such a name is passed over, and goes only when a session is sent or removed.
    let mut ada = visitor();
    ada.start(2);
    let right = ada.browser.value("__Host-id.2").unwrap().to_owned();
    let others = [
        "",
        "x",
        "dark",
        &right[1..],
        // Of another tie.
        &format!("{}{}", if right.starts_with('A') { 'B' } else { 'A' }, &right[1..]),
        &format!("{right}="),
        &format!("{right}A"),
        &right[..8],
        &format!("{right}{}", "A".repeat(4096)),
    ];
    for other in others {
        let field = format!("__Host-id.2={other}; {}", ada.browser.cookie_field());
        let session = ada.sessions.load(RequestFields::from_cookies([field]));
        assert_eq!(session.get(), Some(&data(2)), "{other:?}: {:?}", session.state());
    }
    // A cookie that is not the last one is full.
    ada.start(3);
    let right = ada.browser.value("__Host-id.2").unwrap();
    for other in [&right[..right.len() - 4], &format!("{right}AAAA")] {
        let field = format!("__Host-id.2={other}; {}", ada.browser.cookie_field());
        let session = ada.sessions.load(RequestFields::from_cookies([field]));
        assert_eq!(session.get(), Some(&data(3)), "{:?}", session.state());
    }
}

/// A `Cookie` field that counts how often it is read.
struct Counted(String, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_bytes()
    }
}

/// How often one request with these cookies goes through all of them.
fn readings(ada: &Visitor, cookies: String) -> (usize, SessionState) {
    let count = Arc::new(AtomicUsize::new(0));
    let fields = RequestFields::from_cookies([Counted(cookies, Arc::clone(&count))]);
    let state = ada.sessions.load(fields).state();
    (count.load(Ordering::Relaxed), state)
}

#[test]
fn four_hundred_kilobytes_of_chunks_are_read_a_bounded_number_of_times() {
    const HOSTILE: usize = 400 * 1024;
    let mut ada = visitor_with(|builder| builder.lifetime(Lifetime::default().without_idle()));
    ada.start(4);
    let good = ada.browser.cookie_field();
    let value = |name| ada.browser.value(name).unwrap();
    let (first, second) = (value("__Host-id"), value("__Host-id.2"));
    // Another salt: the head is forged, and nothing is collected for it.
    let forged = format!(
        "__Host-id={}{}{}",
        &first[..30],
        if &first[30..31] == "A" { "B" } else { "A" },
        &first[31..]
    );
    let flood = |unit: &str| format!("{unit}; ").repeat(HOSTILE / unit.len());
    let (count, state) = readings(&ada, flood(&forged));
    assert_eq!((count, state), (1, SessionState::Rejected(Reason::NotOurs)));
    let stray = flood(&format!("__Host-id.2={}", &second[..1000]));
    let (count, _) = readings(&ada, format!("{}{stray}", flood(&forged)));
    assert_eq!(count, 1);
    // Eight heads are genuine at most: each looks for its three other cookies, here and in the cache.
    let genuine = format!("__Host-id={first}");
    let wrong = flood(&format!("__Host-id.2={}!", &second[..second.len() - 1]));
    let (count, state) = readings(&ada, format!("{}{wrong}", flood(&genuine)));
    assert!(count <= 1 + 8 * 2, "{count}");
    assert_eq!(state, INCOMPLETE);
    let (count, state) = readings(&ada, format!("{}{wrong}{good}", flood(&genuine)));
    assert!(count <= 1 + 8 * 2 * 3, "{count}");
    assert_eq!(state, SessionState::Valid);
    for flood in [
        stray,
        wrong,
        flood("__Host-id.2"),
        flood("__Host-id.2="),
        flood("__Host-id.3=AAAA"),
    ] {
        assert_eq!(readings(&ada, format!("{flood}{good}")).1, SessionState::Valid);
    }
}

#[test]
fn a_session_that_is_kept_opens_with_its_own_cookies_alone() {
    let mut ada = visitor();
    ada.start(3);
    let good = ada.browser.clone();
    for name in ["__Host-id", "__Host-id.2", "__Host-id.3"] {
        ada.has(3); // it is kept
        let value = good.value(name).unwrap();
        let at = value.len() - 5;
        for character in ["A", "B"].into_iter().filter(|other| *other != &value[at..=at]) {
            let changed = format!("{}{character}{}", &value[..at], &value[at + 1..]);
            ada.browser.put(&format!("{name}={changed}"));
            assert_eq!(ada.state(), SessionState::Rejected(Reason::Damaged), "{name}");
        }
        ada.browser.remove(name);
        assert_ne!(ada.state(), SessionState::Valid, "{name}");
        ada.browser = good.clone();
    }
    let [two, three] = ["__Host-id.2", "__Host-id.3"].map(|name| good.value(name).unwrap());
    ada.has(3);
    ada.has(3);
    ada.browser
        .put(&format!("__Host-id.3={}", &three[..three.len() / 4 * 4 - 4]));
    assert_eq!(
        ada.state(),
        SessionState::Rejected(Reason::Damaged),
        "its end is cut off"
    );
    ada.browser = good.clone();
    ada.has(3);
    // Characters that moved from one cookie into the other.
    ada.browser.put(&format!(
        "__Host-id.2={}; __Host-id.3={three}{}",
        &two[..two.len() - 4],
        &two[two.len() - 4..]
    ));
    assert_eq!(ada.state(), INCOMPLETE);
    let bound = RequestFields::from_cookies([good.cookie_field()]).with_bind(*b"another");
    assert_eq!(
        ada.sessions.load(bound).state(),
        SessionState::Rejected(Reason::NotOurs)
    );
    ada.browser = good;
    ada.has(3);
}

#[test]
fn parallel_responses_leave_one_session_or_none() {
    // Two requests with the same cookies write different sizes. A browser takes each response whole.
    for (came, one, other) in
        (1..=4).flat_map(|came| (1..=4).flat_map(move |one| (0..=4).map(move |other| (came, one, other))))
    {
        let mut ada = visitor_with(|builder| {
            let lifetime = Lifetime::default().without_idle();
            builder.revoke_on_end(false).lifetime(lifetime)
        });
        ada.start(came);
        let write = |mark: &str, cookies: usize| {
            let written = (cookies > 0).then(|| data(cookies).replacen('x', mark, 1));
            let mut session = ada.sessions.load(ada.browser.fields());
            match &written {
                None => session.end().unwrap(),
                Some(data) => _ = session.update(|text| text.clone_from(data)).unwrap(),
            }
            (written, session.finish_patch(200))
        };
        let patches = [write("1", one), write("2", other)];
        for order in [[0, 1], [1, 0]] {
            let mut field = ada.browser.cookie_field();
            for at in order {
                field = answered(&field, &patches[at].1);
            }
            let session = ada.sessions.load(RequestFields::from_cookies([field]));
            let last = patches[order[1]].0.as_ref();
            assert_eq!(session.get(), last, "{came} {one} {other}: {:?}", session.state());
        }
    }
}
