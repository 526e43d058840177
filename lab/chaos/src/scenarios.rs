//! What happens to the fleet.

use std::sync::atomic::Ordering;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use testkit::redis::RedisServer;

use crate::fleet::{Fleet, Keeps};
use crate::ledger::Counts;
use crate::random::Random;
use crate::redis::{Sentinels, eventually, record};

type Outcome = (Counts, Vec<String>);

pub(crate) const SCENARIOS: &[(&str, fn(&str, &mut Random) -> Outcome)] = &[
    ("kill", kill),
    ("pause", pause),
    ("empty-restart", empty_restart),
    ("appendfsync-always", appendfsync_always),
    ("sentinel", sentinel),
];

/// Traffic, and `act` meanwhile. At the end all has to be well.
fn during_traffic(fleet: &Fleet, random: &mut Random, act: impl FnOnce(&mut Random)) -> Outcome {
    struct Over<'a>(&'a Fleet);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.is_over.store(true, Ordering::Relaxed);
        }
    }
    fleet.start_all();
    thread::scope(|scope| {
        let _over = Over(fleet);
        for _ in 0..4 {
            let mut random = Random(random.next());
            scope.spawn(move || fleet.traffic(&mut random));
        }
        sleep(random.milliseconds(300..1500));
        act(random);
        fleet.settle();
    });
    fleet.settle();
    let inner = fleet.ledger.lock();
    (inner.counts.clone(), inner.failures.clone())
}

fn settings(redis: &str, replicas: usize) -> Vec<(String, String)> {
    [("CHAOS_REDIS", redis), ("CHAOS_REPLICAS", &replicas.to_string())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn fleet_of_three(name: &str, redis: &RedisServer, keeps: Keeps) -> Fleet {
    let settings = settings(&format!("one {}", redis.address()), 0);
    Fleet::new(name, vec![settings; 3], record(vec![redis.address()]), keeps)
}

/// Ends a server or two, the first one at a random moment, and starts them again.
fn end_and_start(fleet: &Fleet, random: &mut Random, meanwhile: impl FnOnce(&mut Random)) {
    let first = random.below(fleet.size());
    let count = 1 + random.below(fleet.size());
    let places: Vec<_> = (0..count).map(|number| (first + number) % fleet.size()).collect();
    for &place in &places {
        fleet.end(place, random.one_in(3));
        sleep(random.milliseconds(0..300));
    }
    meanwhile(random);
    places.into_iter().for_each(|place| _ = fleet.start(place, false));
}

fn kill(name: &str, random: &mut Random) -> Outcome {
    let redis = RedisServer::start(&[]);
    let fleet = fleet_of_three(name, &redis, Keeps::Everything);
    during_traffic(&fleet, random, |random| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(8) {
            end_and_start(&fleet, random, |_| {});
            sleep(random.milliseconds(0..600));
        }
    })
}

/// Redis stops and continues; servers are killed meanwhile.
fn pause(name: &str, random: &mut Random) -> Outcome {
    let redis = RedisServer::start(&[]);
    let fleet = fleet_of_three(name, &redis, Keeps::Everything);
    during_traffic(&fleet, random, |random| {
        for _ in 0..3 {
            redis.pause();
            sleep(random.milliseconds(100..4000));
            let kills = random.one_in(2);
            let place = random.below(fleet.size());
            if kills {
                fleet.end(place, random.one_in(3));
            }
            redis.go_on();
            if kills {
                fleet.start(place, false);
            }
            sleep(random.milliseconds(0..1500));
        }
    })
}

fn restarts(name: &str, random: &mut Random, arguments: &[&str], keeps: Keeps) -> Outcome {
    let mut redis = RedisServer::start(arguments);
    let fleet = fleet_of_three(name, &redis, keeps);
    during_traffic(&fleet, random, |random| {
        for _ in 0..4 {
            let kills = random.one_in(2);
            let place = random.below(fleet.size());
            if kills && random.one_in(2) {
                fleet.end(place, false);
            }
            redis.kill();
            sleep(random.milliseconds(0..1500));
            if kills {
                fleet.end(place, random.one_in(3));
            }
            redis.start_again();
            if kills {
                fleet.start(place, false);
            }
            sleep(random.milliseconds(0..2000));
        }
    })
}

fn empty_restart(name: &str, random: &mut Random) -> Outcome {
    restarts(name, random, &[], Keeps::Nothing)
}

fn appendfsync_always(name: &str, random: &mut Random) -> Outcome {
    restarts(
        name,
        random,
        &["--appendonly", "yes", "--appendfsync", "always"],
        Keeps::Everything,
    )
}

/// The master is killed and a replica takes its place, while servers are killed.
fn sentinel(name: &str, random: &mut Random) -> Outcome {
    let mut redis = Sentinels::start(name);
    let settings = settings(&format!("sentinel {}", redis.addresses.join(" ")), 1);
    let addresses = redis.servers.iter().map(RedisServer::address).collect();
    let fleet = Fleet::new(name, vec![settings; 3], record(addresses), Keeps::Confirmed);
    during_traffic(&fleet, random, |random| {
        for _ in 0..2 {
            let master = redis.master().expect("all is well");
            redis.servers[master].kill();
            sleep(random.milliseconds(0..400));
            let place = random.below(fleet.size());
            let kills = random.one_in(2);
            if kills {
                fleet.end(place, false);
            }
            eventually("the other one becomes master", || redis.master() == Some(1 - master));
            if kills {
                fleet.start(place, false);
            }
            sleep(random.milliseconds(0..1000));
            redis.servers[master].start_again();
            eventually("the old one becomes a replica", || {
                redis.servers[1 - master]
                    .cli(&["INFO", "replication"])
                    .contains("state=online")
            });
            fleet.settle();
        }
    })
}
