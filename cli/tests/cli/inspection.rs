//! `inspect`.

use sealed_session::edge::Claims;
use sealed_session::{Key, Reason};
use testkit::{number, text, unhex};

use super::*;

/// The rows whose token a `Cookie` header can carry, with that header.
fn rows(file: &Value) -> impl Iterator<Item = (&Value, String)> {
    let rows = testkit::rows(file, "vectors").iter();
    rows.filter(|row| {
        let token = text(row, "token");
        token.trim() == token && !token.contains([';', '\n', '\r'])
    })
    .map(|row| {
        let (name, token) = (text(row, "name"), text(row, "token"));
        let seen = texts(row, "seen").into_iter();
        let seen: String = seen.map(|seen| format!("; {name}-seen={seen}")).collect();
        (row, format!("Cookie: theme=dark; {name}={token}{seen}"))
    })
}

#[test]
fn without_a_ring_every_vector_shows_its_claims() {
    let place = Place::new("claims");
    let file = vectors();
    let mut readable = 0;
    for (row, header) in rows(&file) {
        let arguments = ["inspect", "--json", "--name", text(row, "name")];
        let said = place.run_with(&arguments, &header);
        let token = &said.json()["tokens"][0];
        let expect = text(row, "expect");
        let token_text = text(row, "token");
        if ["malformed", "unknown version"].contains(&expect) {
            // An activity token where a session token belongs is one of an unknown version there.
            let error = Claims::parse(token_text).map_or_else(Reason::name, |_| "unknown version");
            assert_eq!((said.code, &token["error"]), (1, &error.into()), "{}", row["comment"]);
            continue;
        }
        readable += 1;
        assert_eq!(
            (said.code, &token["kind"], &token["version"]),
            (0, &"session".into(), &1.into()),
            "{row}"
        );
        assert!(!said.out.contains(token_text), "the token is not repeated");
        if expect == "ok" {
            let expires = written(number(row, "expires"));
            assert_eq!(
                (&token["key_id"], &token["session_id"]),
                (&row["key_id"], &row["session_id"])
            );
            assert_eq!(token["expires"], expires);
            assert_eq!(token["check"], Value::Null, "nothing is verified without a ring");
        }
    }
    assert!(readable > 100);
}

#[test]
fn with_the_ring_every_vector_is_judged_as_the_library_judges_it() {
    let place = Place::new("judged");
    let file = vectors();
    let (mut valid, mut refused, mut genuine) = (0, 0, 0);
    for (row, header) in rows(&file) {
        place.write("ring.txt", &format!("seal {}", texts(row, "ring").join("\nopen ")));
        fs::write(place.path("bind"), unhex(text(row, "bind"))).unwrap();
        let limits = &row["limits"];
        let seconds = |field: &str| limits[field].as_u64().map(|seconds| format!("{seconds}s"));
        let mut arguments: Vec<String> = ["inspect --json --payload --ring ring.txt --bind-file bind"]
            .iter()
            .flat_map(|words| words.split(' ').map(str::to_owned))
            .collect();
        let mut option = |name: &str, value: Option<String>| {
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        };
        option("name", row["name"].as_str().map(str::to_owned));
        option("audience", row["audience"].as_str().map(str::to_owned));
        option("idle", seconds("idle").or(Some("none".into())));
        option("absolute", seconds("absolute"));
        option("remembered-absolute", seconds("remembered_absolute"));
        let remembered_idle = seconds("remembered_idle").or(Some("none".into()));
        option(
            "remembered-idle",
            remembered_idle.filter(|_| seconds("remembered_absolute").is_some()),
        );
        option("cut-off", row["cut_off"].as_u64().filter(|&at| at > 0).map(written));
        for id in texts(row, "revoked") {
            option("revoked", Some(id.to_owned()));
        }
        arguments.extend(["--at".into(), written(number(row, "now"))]);
        let said = place.run_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &header);
        let (json, expect) = (said.json(), text(row, "expect"));
        let (verdict, token) = (&json["verdict"], &json["tokens"][0]);
        if expect == "ok" {
            valid += 1;
            assert_eq!((said.code, &verdict["state"]), (0, &"valid".into()), "{row} {json}");
            assert_eq!(token["check"], "matches");
            assert_eq!(token["started"], written(number(row, "started")), "{row} {json}");
            assert_eq!(token["flags"], row["flags"]);
            let payload: Value = serde_json::from_slice(&unhex(text(row, "payload"))).unwrap();
            assert_eq!(token["payload"], payload);
            assert_eq!(token["refused"], Value::Null);
        } else {
            refused += 1;
            assert_eq!(
                (said.code, &verdict["reason"]),
                (1, &expect.into()),
                "{row} {json} {}",
                said.err
            );
            // A genuine token shows its content, whatever the application's limits. (Of these rows, 85 has an unknown
            // key, 95 an altered head, and 195 no JSON.)
            let unreadable = [85, 95, 195].map(Value::from).contains(&row["id"]);
            if ["expired", "too old", "revoked", "idle"].contains(&expect) && !unreadable {
                genuine += 1;
                let started = written(number(row, "started"));
                assert_eq!(
                    (&token["check"], &token["started"]),
                    (&"matches".into(), &started.into()),
                    "{row} {json}"
                );
                assert_eq!(token["refused"], expect);
            }
            if expect == "not ours" {
                assert_eq!(
                    (&token["check"], &token["started"]),
                    (&"does not match".into(), &Value::Null)
                );
            }
        }
    }
    assert!(
        valid > 50 && refused > 100 && genuine > 25,
        "{valid} {refused} {genuine}"
    );
}

#[test]
fn cookies_are_taken_in_every_form_in_which_people_have_them() {
    let place = Place::new("forms");
    let [session, activity] = signed_in(&place);
    let inspect = |input: &str, more: &str| {
        let words = format!("inspect --ring ring.txt --audience shop {more}");
        let said = place.run_with(&words.split_whitespace().collect::<Vec<_>>(), input);
        let value = session.split_once('=').unwrap().1;
        assert!(
            !said.out.contains(value) && !said.err.contains(value),
            "the token is not repeated"
        );
        said
    };
    for header in [
        format!("{session}; {activity}"),
        format!("Cookie: {session}; theme=dark; {activity}\r\n"),
        format!("cookie:{session}\ncookie:{activity}\n"),
        format!("  {session};{activity};  "),
    ] {
        let said = inspect(&header, "");
        assert!(
            said.code == 0 && said.out.contains("the session is valid."),
            "{header}: {}{}",
            said.out,
            said.err
        );
        assert!(
            !said.out.contains("zoe"),
            "data of a visitor is shown when it is asked for"
        );
        assert!(inspect(&header, "--payload").out.contains("{\"user\":\"zoe\"}"));
    }
    let bare = session.split_once('=').unwrap().1;
    let said = inspect(bare, "");
    assert!(
        said.code == 0 && said.out.contains("a bare token, so without the idle timeout"),
        "{}",
        said.out
    );
    let said = inspect(&session, "");
    assert!(said.code == 1 && said.out.contains("refused, idle"), "{}", said.out);
    let said = inspect(activity.split_once('=').unwrap().1, "");
    assert!(
        said.code == 1 && said.out.contains("give the whole Cookie header"),
        "{}",
        said.out
    );
    let said = inspect(&format!("{session}; {activity}"), "--name other");
    assert!(
        said.code == 1 && said.out.contains("no session: none of these cookies"),
        "{}",
        said.out
    );
    for nothing in ["", "\n", "theme=dark; lang=en"] {
        assert_eq!(inspect(nothing, "").code, 1);
    }
    assert!(inspect("theme=dark", "").out.contains("Cookies: theme"));
    let said = inspect("&&&", "");
    assert!(said.code == 1 && said.out.contains("malformed"), "{}", said.out);
}

#[test]
fn an_activity_token_has_a_reason_of_its_own() {
    let place = Place::new("activity");
    let [session, activity] = signed_in(&place);
    let [_, of_another] = signed_in(&place);
    let altered = format!("{}A", &activity[..activity.len() - 1]);
    let altered = if altered == activity {
        format!("{}Q", &activity[..activity.len() - 1])
    } else {
        altered
    };
    for (activity, at, options, check, refused) in [
        (&activity, NOW, "", "matches", None),
        (&activity, "2026-11-24T00:30:00Z", "", "not verified", Some("expired")),
        (
            &activity,
            NOW,
            "--idle 1m",
            "matches",
            Some("expires later than the idle timeout allows"),
        ),
        (
            &of_another,
            NOW,
            "",
            "not verified",
            Some("no session token of this id came with it"),
        ),
        (&altered, NOW, "", "does not match", Some("not ours")),
    ] {
        let words = format!("inspect --ring ring.txt --audience shop --json --at {at} {options}");
        let said = place.run_with(
            &words.split_whitespace().collect::<Vec<_>>(),
            &format!("{session}; {activity}"),
        );
        let json = said.json();
        let token = &json["tokens"][1];
        assert_eq!(
            (&token["check"], &token["kind"]),
            (&check.into(), &"activity".into()),
            "{token}"
        );
        assert_eq!(token["refused"].as_str(), refused, "{token}");
        assert_eq!(
            json["verdict"]["state"],
            if refused.is_none() { "valid" } else { "refused" }
        );
    }
}

/// A session that is bound to a device, with and without its proof: the proof is not judged.
#[test]
fn a_bound_session_is_judged_by_its_activity() {
    let place = Place::new("bound");
    let file = testkit::next_vectors();
    let rows = testkit::rows(&file, "rows").iter();
    let mut seen = 0;
    for (row, code) in rows.filter_map(|row| match text(row, "shows") {
        "session: bound and proven" | "session: bound without a proof" => Some((row, 0)),
        "session: 0x03 of another session" | "session: 0x03 with its device changed" => Some((row, 1)),
        _ => None,
    }) {
        let secret = Key::from_raw_secret(&unhex(row["ring"][0].as_str().expect("a secret"))).expect("a secret");
        place.write("ring.txt", KeyRing::new(secret).write_with_secrets().expose());
        let pairs = row["cookies"].as_array().expect("cookies").iter();
        let pairs: Vec<_> = pairs
            .map(|pair| [0, 1].map(|part| pair[part].as_str().expect("a text")).join("="))
            .collect();
        let at = written(number(row, "now"));
        let arguments = ["inspect", "--json", "--ring", "ring.txt", "--at", &at];
        let said = place.run_with(&arguments, &pairs.join("; "));
        assert_eq!(said.code, code, "{}: {}", row["shows"], said.out);
        assert_eq!(said.json()["tokens"][1]["version"], 3);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// A session that takes several cookies, all of them in the header and one of them lost.
#[test]
fn a_session_in_chunks_is_judged_with_all_its_cookies() {
    let place = Place::new("chunks");
    let file = testkit::next_vectors();
    let rows = testkit::rows(&file, "rows").iter();
    let mut seen = 0;
    for (row, reason) in rows.filter_map(|row| match text(row, "shows") {
        "chunks: 4 of them, 9500 bytes" => Some((row, None)),
        "chunks: without the third of three" => Some((row, Some("incomplete"))),
        "chunks: second and third exchanged: both are full" => Some((row, Some("damaged"))),
        "chunks: bit in the salt" => Some((row, Some("not ours"))),
        _ => None,
    }) {
        let secret = Key::from_raw_secret(&unhex(row["ring"][0].as_str().expect("a secret"))).expect("a secret");
        place.write("ring.txt", KeyRing::new(secret).write_with_secrets().expose());
        let pairs = row["cookies"].as_array().expect("cookies").iter();
        let pairs: Vec<_> = pairs
            .map(|pair| [0, 1].map(|part| pair[part].as_str().expect("a text")).join("="))
            .collect();
        let at = written(number(row, "now"));
        let arguments = ["inspect", "--json", "--ring", "ring.txt", "--at", &at, "--idle", "none"];
        let said = place.run_with(&arguments, &pairs.join("; "));
        assert_eq!(said.code, i32::from(reason.is_some()), "{}: {}", row["shows"], said.out);
        let json = said.json();
        assert_eq!(json["verdict"]["reason"].as_str(), reason, "{}", row["shows"]);
        let tokens = json["tokens"].as_array().expect("tokens");
        assert_eq!(tokens.len(), 1, "one token: {tokens:?}");
        assert_eq!(
            (&tokens[0]["kind"], &tokens[0]["version"]),
            (&"session".into(), &7.into())
        );
        assert!(tokens[0]["cookies"].as_u64().is_some_and(|cookies| cookies > 1));
        let check = if reason == Some("not ours") {
            "does not match"
        } else {
            "matches"
        };
        assert_eq!(tokens[0]["check"], check);
        assert_eq!(tokens[0]["started"].is_string(), reason.is_none());
        seen += 1;
    }
    assert_eq!(seen, 4);
}
