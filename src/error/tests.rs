//! Tests of `error.rs`.

use std::path::PathBuf;

use super::*;
use crate::ids::KeyId;

#[track_caller]
fn assert_sentence(text: &str) {
    let first = text.chars().next().expect("a sentence has characters");
    assert!(
        !first.is_uppercase() && !text.ends_with('.') && text.len() > 15,
        "{text}"
    );
}

#[test]
fn errors_are_lower_case_sentences_without_a_full_stop() {
    let id = KeyId([1, 2, 3, 4]);
    let keys = [
        KeyError::RandomSource,
        KeyError::RawLength { bytes: 3 },
        KeyError::RawPrintable,
        KeyError::RawTooUniform { distinct: 1 },
        KeyError::NotAKey,
        KeyError::Checksum,
        KeyError::Entry {
            entry: 1,
            problem: "write `seal KEY`",
        },
        KeyError::EmptyRing,
        KeyError::NothingSeals,
        KeyError::TwoSeal { first: id, second: id },
        KeyError::SameId { id },
        KeyError::NoSuchKey { id },
        KeyError::Environment {
            variable: "SESSION_KEYS".into(),
        },
        KeyError::EnvironmentNotText {
            variable: "SESSION_KEYS".into(),
        },
        KeyError::InEnvironment {
            variable: "SESSION_KEYS".into(),
            error: Box::new(KeyError::EmptyRing),
        },
        KeyError::InFile {
            path: "/run/keys".into(),
            error: Box::new(KeyError::EmptyRing),
        },
        KeyError::NotAFile {
            path: "/dev/stdin".into(),
        },
        KeyError::NoAnswer { seconds: 30 },
        KeyError::Source {
            problem: "the key service is away".into(),
        },
    ];
    keys.iter().for_each(|error| assert_sentence(&error.to_string()));
    for kind in KINDS {
        let path = PathBuf::from("/run/keys");
        let source = io::Error::from(kind);
        assert_sentence(&KeyError::File { path, source }.to_string());
        let (path, source) = ("/run/keys".into(), kind.into());
        assert_sentence(&KeyError::FileNotMade { path, source }.to_string());
        let (path, source) = ("revoked".into(), kind.into());
        assert_sentence(&RevocationFileError::File { path, source }.to_string());
    }
    let writing = [
        WriteError::TooLarge {
            size: 5000,
            limit: 4096,
            option: "chunks",
            largest_field: Some(("basket".into(), 4000)),
        },
        WriteError::NotSerializable,
        WriteError::NotReadable,
        WriteError::TooLate,
        WriteError::NoSession,
        WriteError::NotOpenedYet,
        WriteError::Conflict,
        WriteError::RememberOff,
        WriteError::Expiry,
        WriteError::RandomSource,
    ];
    writing.iter().for_each(|error| assert_sentence(&error.to_string()));
    let sealing = [
        SealError::TooLarge {
            size: 8194,
            limit: 8192,
        },
        SealError::Expiry,
        SealError::RandomSource,
    ];
    sealing.iter().for_each(|error| assert_sentence(&error.to_string()));
    let lists = [
        RevocationsError::NotAList,
        RevocationsError::UnknownVersion { version: 2 },
        RevocationsError::Length,
        RevocationsError::Order,
    ];
    lists.iter().for_each(|error| assert_sentence(&error.to_string()));
    let path = PathBuf::from("revoked");
    let files = [
        RevocationFileError::InUse { path: path.clone() },
        RevocationFileError::Unreadable {
            path,
            source: RevocationsError::Length,
        },
    ];
    files.iter().for_each(|error| assert_sentence(&error.to_string()));
    let size = writing[0].to_string();
    assert!(
        size.contains("5000") && size.contains("4096") && size.contains("`basket` with 4000"),
        "{size}"
    );
    Reason::ALL
        .iter()
        .for_each(|reason| assert_sentence(&reason.to_string()));
}

/// The kinds that have a sentence of their own, and one that has not.
const KINDS: [io::ErrorKind; 8] = [
    io::ErrorKind::NotFound,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ReadOnlyFilesystem,
    io::ErrorKind::AlreadyExists,
    io::ErrorKind::InvalidData,
    io::ErrorKind::StorageFull,
    io::ErrorKind::FileTooLarge,
    io::ErrorKind::Other,
];

/// A program whose `main` returns an error prints the place, what to do, and each cause once.
#[test]
fn debug_is_the_sentence_and_its_causes() {
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let path = || PathBuf::from("/run/keys");
    let file = || KeyError::File {
        path: path(),
        source: denied(),
    };
    let nested = KeyError::InEnvironment {
        variable: "SESSION_KEYS".into(),
        error: Box::new(KeyError::NothingSeals),
    };
    let errors: [(Box<dyn error::Error>, &str, Option<String>); 7] = [
        (Box::new(file()), "/run/keys", Some(denied().to_string())),
        (Box::new(nested), "SESSION_KEYS", None),
        (Box::new(KeyError::NotAKey), "`sealed1_`", None),
        (Box::new(ConfigError::new("the name is empty")), "the name", None),
        (
            Box::new(ConfigError::caused_by(denied(), "the system gave no thread")),
            "no thread",
            Some(denied().to_string()),
        ),
        (
            Box::new(RevocationFileError::Unreadable {
                path: path(),
                source: RevocationsError::Order,
            }),
            "/run/keys",
            Some(RevocationsError::Order.to_string()),
        ),
        (
            Box::new(RevocationFileError::File {
                path: path(),
                source: denied(),
            }),
            "/run/keys",
            Some(denied().to_string()),
        ),
    ];
    for (error, names, cause) in errors {
        let (sentence, shown) = (error.to_string(), format!("{error:?}"));
        assert!(sentence.contains(names), "{sentence}");
        let expected = match &cause {
            Some(cause) => format!("{sentence}; cause: {cause}"),
            None => sentence.clone(),
        };
        assert_eq!(shown, expected);
        assert_eq!(error.source().map(ToString::to_string), cause);
    }
    // For an error in a file or variable, the cause is that of the inner error.
    let in_file = KeyError::InFile {
        path: path(),
        error: Box::new(file()),
    };
    assert_eq!(format!("{in_file:?}").matches(&denied().to_string()).count(), 1);
}

/// A user who has only the program, and not this repository, can follow the message.
#[test]
fn a_missing_variable_or_file_says_how_a_key_is_made() {
    let variable = KeyError::Environment {
        variable: "SESSION_KEYS".into(),
    };
    let file = KeyError::File {
        path: "/run/keys".into(),
        source: io::ErrorKind::NotFound.into(),
    };
    let empty = KeyError::InFile {
        path: "/run/keys".into(),
        error: Box::new(KeyError::EmptyRing),
    };
    for (error, place) in [(variable, "SESSION_KEYS"), (file, "/run/keys"), (empty, "/run/keys")] {
        let text = error.to_string();
        for part in [
            place,
            "`sealed-session key new`",
            "`cargo install sealed-session-cli`",
            "`KeyRing::from_file_or_new`",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn outside_all_failures_look_the_same() {
    let outside: std::collections::HashSet<_> = Reason::ALL
        .iter()
        .map(|&reason| OpenError::new(reason).to_string())
        .collect();
    assert_eq!(outside.len(), 1);
}

#[test]
fn what_is_not_verified_is_worded_as_a_claim() {
    for reason in Reason::ALL {
        assert_eq!(
            reason.is_claim(),
            reason.to_string().starts_with("what was sent"),
            "{reason:?}"
        );
    }
}

#[test]
fn the_list_of_reasons_is_whole_and_in_order() {
    // The discriminants are consecutive: none is missing before the last one.
    for (place, &reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(reason as usize, place, "{reason:?}");
    }
}
