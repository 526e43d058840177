//! `edge-keys` and `revocations`.

use std::time::Duration;

use sealed_session::Lifetime;
use sealed_session::device::DeviceBinding;
use sealed_session::edge::EdgeRights;

use super::*;

#[test]
fn edge_keys_are_those_of_the_library() {
    let place = Place::new("edge");
    place.write("ring.txt", FIRST);
    let sessions = |audience: &str| {
        Sessions::<Value>::builder(KeyRing::parse(FIRST).unwrap())
            .audience(audience)
            .build()
            .unwrap()
    };
    let run = |words: &str| place.run_showing_secrets(&words.split_whitespace().collect::<Vec<_>>(), "");
    for json in ["", "--json"] {
        let said = run(&format!("edge-keys ring.txt --audience shop {json}"));
        let expected = sessions("shop").edge_keys_at(8, EdgeRights::Check, instant(NOW));
        assert_eq!((said.code, said.out.trim_end(), &*said.err), (0, expected.expose(), ""));
    }
    let said = run("edge-keys ring.txt --open --days 1");
    assert_eq!(
        said.out.trim_end(),
        sessions("").edge_keys_at(1, EdgeRights::Open, instant(NOW)).expose()
    );
    assert!(said.err.contains("keep them secret"), "{}", said.err);
    let said = run("edge-keys ring.txt --remembered-absolute 90d");
    assert!(
        said.err
            .contains("sessions live up to 90 days; an edge with the keys of 8"),
        "{}",
        said.err
    );
    let said =
        run("edge-keys ring.txt --days 90 --idle 10m --absolute 2h --remembered-idle 14d --remembered-absolute 90d");
    let timeouts = r#""idle":600,"absolute":7200,"remembered":{"idle":1209600,"absolute":7776000},"#;
    assert!(
        said.out.contains(timeouts),
        "the edge applies what the command was told"
    );
    // Options that are not given have the builder's defaults.
    for (days, absolute) in [("90d", 90), ("13d", 13)] {
        let said = run(&format!("edge-keys ring.txt --remembered-absolute {days}"));
        let remembered = Lifetime::absolute(Duration::from_secs(absolute * 86_400));
        let keys = KeyRing::parse(FIRST).unwrap();
        let sessions = Sessions::<Value>::builder(keys).remembered(remembered).build().unwrap();
        let expected = sessions.edge_keys_at(8, EdgeRights::Check, instant(NOW));
        assert_eq!(said.out.trim_end(), expected.expose());
    }
    place.refuses("edge-keys ring.txt --days 401", 2, "401");
    place.refuses("edge-keys ring.txt --name __Host-é", 2, "error");
}

#[test]
fn an_edge_gets_activity_keys_of_bound_sessions_only_if_they_are_asked_for() {
    let place = Place::new("edge-device");
    place.write("ring.txt", FIRST);
    let lifetime = Duration::from_secs(16 * 60);
    let sessions = Sessions::<Value>::builder(KeyRing::parse(FIRST).unwrap())
        .device_binding(DeviceBinding::at("/elsewhere").proof_lifetime(lifetime))
        .build()
        .unwrap();
    let unbinds = "warning: these keys can unbind sessions from their devices\n";
    for (option, rights, warning) in [
        ("", EdgeRights::Check, ""),
        ("--activity", EdgeRights::CheckActivity, unbinds),
    ] {
        let command = format!("edge-keys ring.txt --proof-lifetime 16m {option}");
        let said = place.run_showing_secrets(&command.split_whitespace().collect::<Vec<_>>(), "");
        let expected = sessions.edge_keys_at(8, rights, instant(NOW));
        assert_eq!((said.out.trim_end(), &*said.err), (expected.expose(), warning));
        assert_eq!(said.out.contains(r#""activity":"#), option == "--activity");
    }
    place.refuses("edge-keys ring.txt --activity", 2, "--proof-lifetime");
    place.refuses("edge-keys ring.txt --proof-lifetime 16m --activity --open", 2, "--open");
    place.refuses("edge-keys ring.txt --proof-lifetime 16m --idle none", 2, "idle timeout");
    place.refuses("edge-keys ring.txt --proof-lifetime 60s", 2, "from 61 to 86400");
}

#[test]
fn a_file_of_revocations_is_shown() {
    use sealed_session::revocation::{Revocation, RevocationList as _, Revocations};
    let place = Place::new("revocations");
    let list = Revocations::new();
    let write = || fs::write(place.path("revoked"), list.snapshot_at(instant("2026-01-01T00:00:00Z"))).unwrap();
    write();
    let said = place.does("revocations revoked").out;
    assert_eq!(
        said,
        "revoked: no cut-off\nrevoked sessions: 0, of which 0 would have expired by now\n"
    );
    for (id, until) in [
        ("b7477ebeb19cef38", "2026-11-25T00:00:00Z"),
        ("0000000000000001", "2026-11-24T00:00:00Z"),
    ] {
        list.revoke_at(
            Revocation {
                id: id.parse().unwrap(),
                until: instant(until),
            },
            instant("2026-01-01T00:00:00Z"),
        );
    }
    list.raise_cut_off(instant("2026-11-22T00:00:00Z"));
    write();
    let said = place.does("revocations revoked --ids").out;
    assert_eq!(
        said,
        "revoked: sessions that started before 2026-11-22T00:00:00Z (2 days ago) are refused\n\
         revoked sessions: 2, of which 1 would have expired by now\n\
         \x20 0000000000000001  until 2026-11-24T00:00:00Z (now)\n\
         \x20 b7477ebeb19cef38  until 2026-11-25T00:00:00Z (in 24 hours)\n"
    );
    let json = place.does("revocations revoked --ids --json").json();
    assert_eq!(
        (&json["cut_off"], &json["revoked"], &json["expired"], &json["schema"]),
        (&"2026-11-22T00:00:00Z".into(), &2.into(), &1.into(), &1.into())
    );
    assert_eq!(json["sessions"][1]["session_id"], "b7477ebeb19cef38");
    assert_eq!(place.does("revocations revoked --json").json()["sessions"], Value::Null);
    // The file of a server that goes on revoking: a snapshot, and the revocations since.
    let mut since = list.cursor();
    let until = instant("2026-11-26T00:00:00Z");
    list.revoke_at(
        Revocation {
            id: "0000000000000002".parse().unwrap(),
            until,
        },
        instant("2026-01-01T00:00:00Z"),
    );
    let delta = list
        .delta_since_at(&mut since, instant("2026-01-01T00:00:00Z"))
        .unwrap();
    let written = fs::read(place.path("revoked")).unwrap();
    fs::write(place.path("revoked"), [written, delta].concat()).unwrap();
    assert_eq!(place.does("revocations revoked --json").json()["revoked"], 3);
    place.write("revoked", "no list");
    place.refuses("revocations revoked", 2, "revoked: the bytes are no revocation list");
    place.refuses("revocations missing", 3, "missing cannot be read");
}
