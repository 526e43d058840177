//! Session data that is too large, or that does not read back.

use super::*;

// ---- size

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: String,
    note: String,
}

impl Basket {
    fn of(items: usize) -> Self {
        Self {
            items: "x".repeat(items),
            note: "short".into(),
        }
    }
}

/// The most items that fit with a cookie name of 9 characters: 2,995 bytes of JSON.
const FITS: usize = 2995 - r#"{"items":"","note":"short"}"#.len();

#[test]
fn the_largest_session_fills_name_and_value_to_4096_bytes() {
    let sessions = builder::<Basket>(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Basket::of(FITS)).unwrap();
    let cookies = answered("", &session.finish_patch(200));
    let (pair, _) = cookies
        .split_once("; ")
        .expect("the activity cookie comes on top and is not counted");
    assert_eq!(pair.len() - "=".len(), 4096);
    let session = sessions.load_at(RequestFields::from_cookies([cookies]), after(0));
    assert_eq!(session.get(), Some(&Basket::of(FITS)));
}

#[test]
fn a_silent_drop_above_4096_bytes_cannot_happen_one_byte_more_is_refused_with_both_numbers() {
    let seen = Seen::default();
    let sessions = builder::<Basket>(ring()).observer(seen.observer()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Basket::of(3)).unwrap();
    let id = session.id();
    let too_large = WriteError::TooLarge {
        size: 4097,
        limit: 4096,
        option: "chunks",
        largest_field: Some(("items".into(), FITS + 1 + 2)),
    };
    assert_eq!(
        session.update(|basket| *basket = Basket::of(FITS + 1)),
        Err(too_large.clone())
    );
    assert_eq!(session.start(Basket::of(FITS + 1)), Err(too_large.clone()));
    let text = too_large.to_string();
    assert!(
        ["4097", "4096", "`items`"].iter().all(|part| text.contains(part)),
        "{text}"
    );
    assert_eq!(
        seen.take(),
        vec![
            Event::TooLarge {
                size: 4097,
                limit: 4096,
                option: "chunks"
            };
            2
        ]
    );
    assert_eq!(
        (session.get(), session.id()),
        (Some(&Basket::of(3)), id),
        "it is as it was"
    );
    let _ = session.update(|basket| *basket = Basket::of(FITS)).unwrap();
}

#[test]
fn padding_hides_the_length_and_makes_no_session_too_large() {
    let sessions = builder::<Basket>(ring()).pad_to(1000).build().unwrap();
    let frame = r#"{"items":"","note":"short"}"#.len();
    let length = |payload: usize| {
        let cookie = sessions.cookie_for_at(Basket::of(payload - frame), after(0));
        cookie.map(|cookie| cookie.split_once("; ").map(|(pair, _)| pair.len() - "=".len()))
    };
    let largest = length(2995).unwrap();
    assert_eq!(largest, Some(4096));
    assert_eq!(length(2001), Ok(largest), "it fills the cookie");
    assert_eq!(length(1001), length(2000));
    assert_ne!(length(2000), Ok(largest));
    let error = length(2996).unwrap_err();
    assert!(
        matches!(
            error,
            WriteError::TooLarge {
                size: 4097,
                limit: 4096,
                ..
            }
        ),
        "{error:?}"
    );
    let one = sessions.cookie_for_at(Basket::of(1), after(0)).unwrap();
    let other = sessions.cookie_for_at(Basket::of(900), after(0)).unwrap();
    assert_eq!(one.len(), other.len(), "the length tells nothing");
    let session = sessions.load_at(RequestFields::from_cookies([one]), after(0));
    assert_eq!(session.get(), Some(&Basket::of(1)));
}

// ---- serialisation

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    height: f64,
}

/// The commonest mistake with serde: a field that is sometimes skipped in writing is always demanded in reading.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Roles {
    user: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip)]
    cached: u32,
}

#[test]
fn data_that_the_next_request_could_not_read_is_refused_whatever_its_size() {
    let sessions = builder::<Roles>(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    for user in [0, u64::MAX] {
        let roles = Vec::new();
        assert_eq!(
            session.start(Roles { user, roles, cached: 0 }),
            Err(WriteError::NotReadable)
        );
    }
    let roles = vec!["admin".repeat(100)];
    session
        .start(Roles {
            user: 7,
            roles,
            cached: 0,
        })
        .unwrap();
    assert_eq!(session.update(|data| data.roles.clear()), Err(WriteError::NotReadable));
    assert_eq!(session.get().map(|data| data.roles.len()), Some(1), "as it was");
}

#[test]
fn after_a_write_the_session_is_what_the_next_request_reads() {
    let sessions = builder::<Roles>(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    let roles = || vec!["admin".to_owned()];
    session
        .start(Roles {
            user: 7,
            roles: roles(),
            cached: 9,
        })
        .unwrap();
    assert_eq!(
        session.get(),
        Some(&Roles {
            user: 7,
            roles: roles(),
            cached: 0
        })
    );
    let _ = session.update(|data| data.cached = 9).unwrap();
    assert_eq!(session.get().map(|data| data.cached), Some(0));
}

/// Quadratic work would take hours here, and 4 KiB a write would take 400 MB.
#[test]
fn a_hundred_thousand_writes_in_one_request_are_as_cheap_each_as_one() {
    let mut session = sessions().load_at(RequestFields::default(), after(0));
    session.start(SEVEN).unwrap();
    let first = session.clone();
    let lent = first.get().unwrap();
    for _ in 0..100_000 {
        let _ = session.update(|login| login.user += 1).unwrap();
    }
    assert_eq!(
        (lent.user, session.get().unwrap().user),
        (7, 100_007),
        "what was lent stays"
    );
    assert_eq!(session.finish_patch(200).set_cookies().count(), 2);
}

#[test]
fn a_number_that_would_be_null_is_refused_at_the_write() {
    let sessions = builder::<Position>(ring()).build().unwrap();
    let mut session = sessions.load_at(RequestFields::default(), after(0));
    session.start(Position { height: 1.5 }).unwrap();
    for height in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(session.start(Position { height }), Err(WriteError::NotReadable));
        assert_eq!(
            session.update(|position| position.height = height),
            Err(WriteError::NotReadable)
        );
        assert_eq!(session.get(), Some(&Position { height: 1.5 }));
    }
}

/// Serialises its first field and then fails, if told to.
#[derive(Debug, PartialEq, Deserialize)]
struct Fragile {
    first: u32,
    #[serde(default)]
    breaks: bool,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fragile", 1)?;
        fields.serialize_field("first", &self.first)?;
        if self.breaks {
            return Err(S::Error::custom("secret-in-error"));
        }
        fields.end()
    }
}

#[test]
fn a_serialiser_that_fails_halfway_leaves_the_session_as_it_was() {
    let sessions = builder::<Fragile>(ring()).build().unwrap();
    let whole = |first| Fragile { first, breaks: false };
    let cookies = sessions.cookie_for_at(whole(1), after(0)).unwrap();
    let mut session = sessions.load_at(RequestFields::from_cookies([cookies.clone()]), after(0));
    let change = |fragile: &mut Fragile| *fragile = Fragile { first: 2, breaks: true };
    assert_eq!(session.update(change), Err(WriteError::NotSerializable));
    let started = session.start(Fragile { first: 3, breaks: true });
    assert_eq!(started, Err(WriteError::NotSerializable));
    assert!(!format!("{started:?}").contains("secret-in-error"));
    assert_eq!(session.get(), Some(&whole(1)));
    assert_eq!(session.finish_patch(200).set_cookies().count(), 0);
}

#[test]
fn a_closure_that_fails_or_panics_leaves_the_session_as_it_was() {
    let sessions = sessions();
    let cookies = sessions.cookie_for_at(SEVEN, after(0)).unwrap();
    let mut session = load(&sessions, &cookies, 0);
    let failed = session.try_update(|login| {
        login.user = 8;
        Err::<(), Box<dyn std::error::Error>>("no".into())
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        session.update(|login| {
            login.user = 9;
            std::panic::resume_unwind(Box::new("no"));
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(session.get(), Some(&SEVEN));
    let _ = session.update(|login| login.user += 1).unwrap();
    assert_eq!(session.get(), Some(&Login { user: 8 }));
}
