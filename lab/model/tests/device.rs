//! Device keys under a secret that goes: they were made until the last second in which a server sealed with it, and live for
//! the longest absolute timeout. When the secret may go, each of them has expired by every clock.

use std::time::Duration;

use model::command::may_go;
use model::keys::Ring;
use model::procedure::{LEEWAY, LIMITS, Procedure, TWO};
use model::server::at;
use sealed_session::device::DeviceBinding;
use sealed_session::testing::Browser;
use sealed_session::{Lifetime, RequestFields, Sessions};
use testkit::device::{offer, registration, signing_key};

/// A server by whose clock it is this second. Other sites may begin a refresh, so that the device key alone decides.
fn server(ring: Ring, clock: u32) -> Sessions<u8> {
    let limit = |seconds: u32| Duration::from_secs(seconds.into());
    Sessions::builder(ring.key_ring())
        .lifetime(Lifetime::absolute(limit(LIMITS.absolute)).idle(limit(LIMITS.idle)))
        .clock(move || at(clock))
        .device_binding(DeviceBinding::at("/device").allow_initiator("mail.example"))
        .build()
        .expect("a sound configuration")
}

/// The device key of a session that starts, and registers, in this second.
fn device_key(ring: Ring, clock: u32) -> String {
    let server = server(ring, clock);
    let mut browser = Browser::at(u64::try_from(at(clock).unix_timestamp()).expect("after 1970"));
    let mut session = server.load(browser.fields());
    session.start(1).expect("it fits");
    let mut headers = Vec::new();
    session.finish(200, &mut headers);
    browser.receive(&headers);
    let is_offer = |(name, _): &&(String, String)| name == "Secure-Session-Registration";
    let (_, challenge) = offer(&headers.iter().find(is_offer).expect("a sign-in offers").1);
    let proof = registration(&signing_key([1, 1]), &challenge);
    let answer = server.register_device(&browser.fields(), Some(&proof));
    let told: serde_json::Value = serde_json::from_str(answer.body()).expect("instructions");
    told["session_identifier"].as_str().expect("a text").to_owned()
}

/// The status of a refresh: 403 asks for a proof, 401 says that the key has expired, 503 that its secret is unknown.
fn refresh(ring: Ring, clock: u32, device_key: &str) -> u16 {
    let answer = server(ring, clock).refresh_device(&RequestFields::default(), Some(device_key), None);
    answer.status()
}

const CLOCKS: [u32; 2] = [0, LEEWAY];

#[test]
fn a_secret_that_goes_by_the_documented_procedures_takes_no_device_key_with_it() {
    let last = 7_200;
    for procedure in Procedure::documented(TWO) {
        let goes = last + procedure.retire_after;
        for makes in CLOCKS {
            let key = device_key(Ring::Old, last + makes);
            for judges in CLOCKS {
                assert_eq!(refresh(Ring::New, goes + judges, &key), 401, "{}", procedure.name);
            }
        }
        // A second earlier, the slowest server would refuse the key of a session that has not ended.
        let key = device_key(Ring::Old, last + LEEWAY);
        assert_eq!(refresh(Ring::NewSeals, goes - 1, &key), 403, "{}", procedure.name);
        assert_eq!(refresh(Ring::New, goes - 1, &key), 503, "{}", procedure.name);
    }
}

#[test]
fn a_secret_that_goes_by_the_command_takes_no_device_key_with_it() {
    let (from, deploy) = (7_200, LEEWAY);
    // The deploy begins 5 minutes after the rehearsal, and reaches the last server when it must.
    let last = from + 300 + deploy;
    // The clock of the operator who retires it is ahead of all others by as much as it may be.
    let goes = may_go(from, deploy) - LEEWAY;
    for makes in CLOCKS {
        let key = device_key(Ring::Old, last + makes);
        for judges in CLOCKS {
            assert_eq!(refresh(Ring::New, goes + judges, &key), 401);
        }
    }
    let key = device_key(Ring::Old, last + LEEWAY);
    assert_eq!(refresh(Ring::New, goes - 1, &key), 503);
}
