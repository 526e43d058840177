//! `rehearse`.

use sealed_session::{Lifetime, Reason};

use super::*;

#[test]
fn the_documented_rotation_passes_every_rehearsal() {
    let place = Place::new("rotation");
    let [second, _] = others();
    let mut previous = format!("seal {FIRST}\n");
    place.write("ring.txt", &previous);
    let mut deploy = |command: &str, at: &str| {
        place.write("previous.txt", &previous);
        let said = place.run_with(
            &[command, " --at ", at].concat().split_whitespace().collect::<Vec<_>>(),
            &second,
        );
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        previous = place.read("ring.txt");
        let said = place
            .does(&format!(
                "rehearse ring.txt --previous previous.txt --longest 12h --json --at {at}"
            ))
            .json();
        assert_eq!(said["ok"], true);
        assert!(
            said["checks"]
                .as_array()
                .unwrap()
                .iter()
                .any(|check| check["cookies"].as_u64() > Some(1)),
            "{said}"
        );
        said
    };
    let said = deploy("ring add ring.txt --stdin", "2026-11-24T00:00:00Z");
    assert_eq!(said["keys"][0]["may_go"], Value::Null);
    let said = deploy("ring seal ring.txt 56f76705", "2026-11-26T00:00:00Z");
    assert_eq!(said["keys"][0]["may_go"], "2026-11-27T12:15:00Z");
    let said = deploy("ring retire ring.txt 9e4859a4 --longest 12h", "2026-11-27T12:15:00Z");
    assert_eq!(said["keys"][0]["id"], "56f76705");
}

#[test]
fn every_forbidden_shortcut_fails_its_rehearsal() {
    let place = Place::new("shortcuts");
    let [second, _] = others();
    let fails = |previous: String, ring: String, reason: &str| {
        place.write("previous.txt", &previous);
        place.write("ring.txt", &ring);
        place.refuses("rehearse ring.txt --previous previous.txt --longest 12h", 1, reason);
        let said = place.run("rehearse ring.txt --previous previous.txt --longest 12h --json");
        assert_eq!((said.code, &said.json()["ok"]), (1, &false.into()));
    };
    // Promoted before every server opens with it: at once, or before the deploy has ended.
    fails(
        format!("seal {FIRST}"),
        format!("seal {second}\nopen {FIRST}"),
        "from 2026-11-24T00:00:00Z on key 56f76705 seals",
    );
    fails(
        format!("seal {FIRST}"),
        format!("seal {FIRST}\nseal {second} from=2026-11-24T12:00:00Z"),
        "from 2026-11-24T12:00:00Z on key 56f76705 seals",
    );
    // Retired while tokens under it are alive.
    fails(
        format!("seal {FIRST}\nopen {second}"),
        format!("seal {second}"),
        "key 9e4859a4: a session of",
    );
    fails(
        format!("seal {FIRST}\nseal {second} from=2026-11-23T00:00:00Z"),
        format!("seal {second}"),
        "key 9e4859a4: a session of 2026-11-24T00:00:00Z is refused (unknown key); leave it in the ring as `open`, it may go from \
         2026-11-24T12:15:00Z",
    );
    // Whether an open key may be missed, the ring cannot say; the operator can.
    fails(
        format!("seal {second}\nopen {FIRST}"),
        format!("seal {second}"),
        "--sealed-until",
    );
    place.does("rehearse ring.txt --previous previous.txt --longest 12h --sealed-until 2026-11-23T11:50:00Z");
    place.refuses(
        "rehearse ring.txt --previous previous.txt --longest 12h --sealed-until 2026-11-23T11:50:01Z",
        1,
        "FAILS",
    );
}

#[test]
fn a_rotation_in_one_deploy_names_the_deadline() {
    let place = Place::new("deadline");
    let [second, _] = others();
    place.write("previous.txt", &format!("seal {FIRST}"));
    let rehearse = "rehearse ring.txt --previous previous.txt --deploy 1h";
    // A server whose clock is 5 minutes ahead seals 5 minutes early, and the deploy may take its hour.
    for (from, deadline) in [
        ("2026-11-24T01:00:01Z", None),
        ("2026-11-24T01:01:00Z", None),
        ("2026-11-24T01:05:00Z", None),
        ("2026-11-24T01:05:01Z", Some("2026-11-24T01:00:01Z")),
        ("2026-12-01T00:00:00Z", Some("2026-11-30T23:55:00Z")),
    ] {
        place.write("ring.txt", &format!("seal {FIRST}\nseal {second} from={from}"));
        let said = place.run(&format!("{rehearse} --json"));
        assert_eq!(said.code, i32::from(deadline.is_none()), "{from}: {}", said.out);
        assert_eq!(said.json()["deploy_before"].as_str(), deadline, "{from}");
        let human = place.run(rehearse).out;
        match deadline {
            Some(deadline) => assert!(human.contains(&format!("before {deadline} (in ")), "{human}"),
            None => assert!(human.contains("after the end of the deploy") && !human.contains("Every server")),
        }
    }
    // A change of keys that was planned for later is brought forward: servers without the new ring seal with the old
    // key until the planned time.
    place.write(
        "previous.txt",
        &format!("seal {FIRST}\nseal {second} from=2026-12-01T00:00:00Z"),
    );
    place.write(
        "ring.txt",
        &format!("seal {FIRST}\nseal {second} from=2026-11-24T00:00:00Z"),
    );
    let said = place.does(&format!("{rehearse} --json")).json();
    assert_eq!(said["deploy_before"], "2026-11-24T01:05:00Z");
    place.write("previous.txt", &format!("seal {FIRST}"));
    place.write(
        "ring.txt",
        &format!("seal {FIRST}\nseal {second} from=2026-12-01T00:00:00Z"),
    );

    // What the rehearsal says is what `ring retire` acts on.
    let said = place.does(&format!("{rehearse} --json")).json();
    let may_go = said["keys"][0]["may_go"].as_str().unwrap();
    place.does(&format!("ring retire ring.txt 9e4859a4 --deploy 1h --at {may_go}"));
}

#[test]
fn a_ring_that_was_changed_long_before_its_deploy_fails_until_the_key_seals_again() {
    let place = Place::new("late");
    let [second, _] = others();
    let added = format!("seal {FIRST}\nopen {second}\n");
    place.write("previous.txt", &added);
    place.write("ring.txt", &added);
    place.does("ring seal ring.txt 56f76705");
    let rehearse = "rehearse ring.txt --previous previous.txt --longest 12h --deploy 1h";
    let said = place
        .does(&format!("{rehearse} --json --at 2026-11-24T00:05:00Z"))
        .json();
    assert_eq!(said["keys"][0]["may_go"], "2026-11-24T13:15:00Z");
    assert_eq!(
        said["deploy_before"], "2026-11-24T01:05:00Z",
        "the last server keeps to the wait"
    );
    for at in ["2026-11-24T00:05:01Z", "2026-11-27T00:00:00Z"] {
        place.refuses(
            &format!("{rehearse} --at {at}"),
            1,
            "let key 56f76705 seal again by `ring seal`",
        );
    }
    place.does("ring seal ring.txt 56f76705 --at 2026-11-27T00:00:00Z");
    place.does(&format!("{rehearse} --at 2026-11-27T00:00:00Z"));
    // An hour later the last server has it; what it made until then has expired when the old key goes.
    let sessions = |ring: &str| {
        Sessions::<Value>::builder(KeyRing::parse(ring).unwrap())
            .lifetime(Lifetime::default().without_idle())
            .build()
            .unwrap()
    };
    let cookie = sessions(&added)
        .cookie_for_at(Value::Null, instant("2026-11-27T01:00:00Z"))
        .unwrap();
    let retire = "ring retire ring.txt 9e4859a4 --longest 12h --deploy 1h";
    place.refuses(&format!("{retire} --at 2026-11-27T13:14:59Z"), 1, "must stay");
    place.write("previous.txt", &place.read("ring.txt"));
    let gone = "2026-11-27T13:15:00Z";
    place.does(&format!("{retire} --at {gone}"));
    place.does(&format!("{rehearse} --at {gone}"));
    let request = sealed_session::RequestFields::from_cookies([cookie]);
    let state = sessions(&place.read("ring.txt"))
        .load_at(request, instant(gone))
        .state();
    assert_eq!(state, sealed_session::SessionState::Rejected(Reason::Expired));
    // A time after a deploy that is days away leaves days to deploy.
    place.write("previous.txt", &added);
    place.write("ring.txt", &added);
    place.does("ring seal ring.txt 56f76705 --from 2026-11-30T00:00:00Z");
    place.does(&format!("{rehearse} --at 2026-11-27T00:00:00Z"));
}

#[test]
fn a_ring_must_tell_the_truth_about_the_one_before() {
    let place = Place::new("past");
    let [second, third] = others();
    let fails = |previous: &str, ring: &str| {
        place.write("previous.txt", previous);
        place.write("ring.txt", ring);
        let words = "rehearse ring.txt --previous previous.txt --longest 12h --deploy 1h";
        place.refuses(
            words,
            1,
            "FAILS  nothing under a key is alive when `ring retire` lets it go",
        );
    };
    // The old key sealed later than the new ring says.
    fails(
        &format!("seal {FIRST}\nseal {second} from=2026-11-23T20:00:00Z"),
        &format!("seal {FIRST}\nseal {second} from=2026-11-23T10:00:00Z"),
    );
    fails(
        &format!("seal {second}\nopen {FIRST}"),
        &format!("seal {FIRST}\nseal {second} from=2026-11-01T00:00:00Z"),
    );
    // One clock is slow: its server still seals with the third key, which the others do not have.
    place.write("previous.txt", &format!("seal {FIRST}\nopen {second}"));
    place.write(
        "ring.txt",
        &format!("seal {third}\nseal {second} from=2026-11-23T23:58:00Z\nopen {FIRST}"),
    );
    place.refuses(
        "rehearse ring.txt --previous previous.txt",
        1,
        "key b303b300 seals, which the other",
    );
}

#[test]
fn an_old_key_of_a_ring_that_was_swapped_by_hand_counts_from_the_deploy() {
    let place = Place::new("swapped");
    let [second, _] = others();
    place.write("previous.txt", &format!("seal {FIRST}\nopen {second}"));
    place.write("ring.txt", &format!("seal {second}\nopen {FIRST}"));
    let said = place
        .does("rehearse ring.txt --previous previous.txt --longest 12h --json")
        .json();
    let keys = said["keys"].as_array().unwrap();
    let first = keys.iter().find(|key| key["id"] == "9e4859a4").unwrap();
    assert_eq!(first["may_go"], "2026-11-25T12:15:00Z");
}

#[test]
fn a_ring_is_rehearsed_from_standard_input_too() {
    let place = Place::new("stdin");
    place.write("previous.txt", FIRST);
    let said = place.run_with(
        &["rehearse", "-", "--previous", "previous.txt"],
        &format!("seal {FIRST}"),
    );
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    // Without the ring that servers run it could say nothing.
    place.refuses("rehearse previous.txt", 2, "--previous");
    let said = place.run_with(&["ring", "show", "-"], &format!("seal {FIRST}"));
    assert!(
        said.code == 0 && said.out.contains("9e4859a4  seals"),
        "{}{}",
        said.out,
        said.err
    );
}
