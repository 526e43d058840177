//! Keys that change while visitors are signed in, on two servers.

use sealed_session::testing::Browser;
use sealed_session::{Key, KeyRing};
use testkit::http::Asks as _;

use super::super::{OPENED_CACHE, framework};
use super::world::*;
use super::{HOUR, MINUTE, START};
use crate::visits::{ACTIVITY, SESSION};

/// Three written keys.
struct Keys([String; 3]);

impl Keys {
    fn generate() -> Self {
        Self([(); 3].map(|()| {
            let key = Key::generate().expect("random bytes");
            key.write_with_secret().expose().to_owned()
        }))
    }

    /// The ring of a server after this many steps: open the second, seal with it, open the third, seal with it, drop
    /// the first, drop the second.
    fn ring(&self, steps: usize) -> KeyRing {
        let [first, second, third] = &self.0;
        let ring = match steps {
            0 => format!("seal {first}"),
            1 => format!("seal {first}; open {second}"),
            2 => format!("open {first}; seal {second}"),
            3 => format!("open {first}; seal {second}; open {third}"),
            4 => format!("open {first}; open {second}; seal {third}"),
            5 => format!("open {second}; seal {third}"),
            _ => format!("seal {third}"),
        };
        KeyRing::parse(&ring).expect("the ring is sound")
    }
}

const STEPS: usize = 6;

/// Whether a server may make this step once the other one has made so many. Every server opens with a key before any
/// seals with it, and every server seals with a newer key before any drops the old one.
fn may_step(step: usize, other: usize) -> bool {
    other
        >= match step {
            2 => 1,
            4 => 3,
            5 => 2,
            6 => 4,
            _ => 0,
        }
}

/// All orders in which two servers can make all their steps.
fn orders() -> Vec<Vec<usize>> {
    let mut finished = Vec::new();
    let mut open = vec![(Vec::new(), [0, 0])];
    while let Some((order, made)) = open.pop() {
        if made == [STEPS; 2] {
            finished.push(order);
            continue;
        }
        for server in [0, 1] {
            if made[server] < STEPS && may_step(made[server] + 1, made[1 - server]) {
                let (mut order, mut made): (Vec<usize>, [usize; 2]) = (order.clone(), made);
                order.push(server);
                made[server] += 1;
                open.push((order, made));
            }
        }
    }
    finished
}

#[tokio::test]
async fn rotating_through_three_keys_on_two_servers_signs_no_visitor_out_in_any_order() {
    let clock = Browser::at(START);
    let keys = Keys::generate();
    let servers = [
        World::with(&clock, keys.ring(0)).await,
        World::with(&clock, keys.ring(0)).await,
    ];
    let orders = orders();
    assert_eq!(orders.len(), 216);
    // A quarter each, of two frameworks, with the cache of opened sessions and without.
    let first = framework::FIRST_OF_TWO + 2 * usize::from(OPENED_CACHE);
    for order in orders.into_iter().skip(first).step_by(4) {
        rotate(&keys, &servers, &order).await;
    }
}

async fn rotate(keys: &Keys, servers: &[World; 2], order: &[usize]) {
    let mut made = [0_usize; 2];
    for server in servers {
        server.sessions.replace_keys(keys.ring(0));
    }
    // When the last server stopped sealing with the first and with the second key.
    let mut sealed_until = [servers[0].now(); 2];
    let mut users = vec![servers[0].signed_in(0).await, servers[1].signed_in(1).await];
    for &stepping in order {
        let step = made[stepping] + 1;
        if let Some(dropped) = step.checked_sub(5) {
            let expired = sealed_until[dropped] + 12 * HOUR;
            if servers[0].now() < expired {
                // Shortly before the last old token expires a visitor signs in, and stays while the key is removed.
                servers[0].pass(expired - 2 * MINUTE - servers[0].now());
                users = vec![servers[0].signed_in(0).await, servers[1].signed_in(1).await];
                servers[0].pass(2 * MINUTE);
            }
        }
        servers[stepping].sessions.replace_keys(keys.ring(step));
        made[stepping] = step;
        if let 2 | 4 = step {
            sealed_until[step / 2 - 1] = servers[0].now();
        }
        for (index, user) in users.iter_mut().enumerate() {
            for server in [0, 1] {
                let answer = user.get(&servers[server].server, "/").await;
                assert_read(&answer);
                let page = page(&answer);
                assert_eq!(page.user, index as u64 % 2, "{order:?} at {made:?}");
            }
        }
        // Other visitors sign in on both servers, and one writes on the server that was not changed.
        let before = users[0].clone();
        let theme = format!("/theme/{}{}", made[0], made[1]);
        let answer = users[0].post(&servers[1 - stepping].server, &theme).await;
        assert_sets(&answer, &[SESSION]);
        assert_ne!(users[0].value(SESSION), before.value(SESSION));
        users.truncate(4);
        let user = users.len() as u64 % 2;
        users.push(servers[stepping].signed_in(user).await);
    }
    assert_eq!(made, [STEPS; 2]);
}

#[tokio::test]
async fn with_a_from_time_one_deploy_in_any_order_rotates() {
    let keys = Keys::generate();
    for order in [[0, 1], [1, 0]] {
        let clock = Browser::at(START);
        let servers = [
            World::with(&clock, keys.ring(0)).await,
            World::with(&clock, keys.ring(0)).await,
        ];
        let from = clock.now() + seconds(2 * MINUTE);
        let ring = || {
            let new = Key::parse(&keys.0[1]).expect("a written key");
            let (id, ring) = (new.id(), keys.ring(0).also_opening(new).expect("another key"));
            ring.promote(id, Some(from)).expect("a key of the ring")
        };
        let mut users = vec![servers[0].signed_in(0).await, servers[1].signed_in(1).await];
        for server in order {
            servers[server].sessions.replace_keys(ring());
            users.push(servers[server].signed_in(users.len() as u64).await);
            assert_all_in(&servers, &mut users).await;
        }
        let id = key_id(&users[3]);
        clock.pass(seconds(2 * MINUTE));
        users.push(servers[0].signed_in(4).await);
        users.push(servers[1].signed_in(5).await);
        assert_all_in(&servers, &mut users).await;
        assert!(key_id(&users[4]) != id && key_id(&users[4]) == key_id(&users[5]));
    }
}

async fn assert_all_in(servers: &[World; 2], users: &mut [Browser]) {
    for (index, user) in users.iter_mut().enumerate() {
        for server in servers {
            let answer = user.get(&server.server, "/").await;
            assert_read(&answer);
            assert_eq!(page(&answer).user, index as u64);
        }
    }
}

/// The characters of a token that hold the version and all but four bits of the key id.
fn key_id(user: &Browser) -> String {
    user.value(SESSION).expect("a session")[..6].to_owned()
}

#[tokio::test]
async fn a_server_that_does_not_know_the_new_key_yet_deletes_no_cookie() {
    let clock = Browser::at(START);
    let keys = Keys::generate();
    let (new, old) = (
        World::with(&clock, keys.ring(2)).await,
        World::with(&clock, keys.ring(0)).await,
    );
    let mut user = new.signed_in(7).await;
    let before = user.cookie_field();
    for _ in 0..3 {
        let answer = user.get(&old.server, "/").await;
        assert_no_session(&answer, "Rejected(UnknownKey)");
        assert_read(&answer);
        assert_eq!(user.post(&old.server, "/theme/dark").await.body, "false");
        assert_eq!(user.cookie_field(), before);
        assert_eq!(page(&user.get(&new.server, "/").await).user, 7);
    }
    // A sign-in there does replace it, and every server opens the new one.
    assert_sets(&user.post(&old.server, "/sign-in/8").await, &[SESSION, ACTIVITY]);
    assert_eq!(page(&user.get(&old.server, "/").await).user, 8);
    assert_eq!(page(&user.get(&new.server, "/").await).user, 8);
}
