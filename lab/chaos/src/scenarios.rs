//! What happens to the fleet.

use std::fs;
use std::sync::atomic::Ordering;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use testkit::redis::RedisServer;

use crate::clock::Clock;
use crate::fleet::{Fleet, Keeps};
use crate::ledger::Counts;
use crate::proxy::{Proxy, Weather};
use crate::random::Random;
use crate::redis::{Cluster, Sentinels, eventually, record};

type Outcome = (Counts, Vec<String>);

/// A name, and what runs under it.
type Scenario = (&'static str, fn(&str, &mut Random) -> Outcome);

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("kill", kill),
    ("pause", pause),
    ("empty-restart", empty_restart),
    ("appendfsync-always", appendfsync_always),
    ("noeviction", noeviction),
    ("allkeys-lru", allkeys_lru),
    ("volatile-lru", volatile_lru),
    ("failover", failover),
    ("failover-wait-1", failover_wait_1),
    ("cluster", cluster),
    ("cluster-wait-1", cluster_wait_1),
    ("network", network),
    ("clock-6m-behind", |name, random| clock(name, random, -360)),
    ("clock-6m-ahead", |name, random| clock(name, random, 360)),
    ("clock-13h-behind", |name, random| clock(name, random, -46_800)),
    ("clock-13h-ahead", |name, random| clock(name, random, 46_800)),
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
    // Now Redis alone knows.
    fleet.restart_all();
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
    places.into_iter().for_each(|place| _ = fleet.start(place));
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
            let kills = !random.one_in(4);
            let place = random.below(fleet.size());
            if kills {
                fleet.end(place, random.one_in(3));
            }
            redis.go_on();
            if kills {
                fleet.start(place);
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
            let kills = !random.one_in(4);
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
                fleet.start(place);
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

/// The master is killed and a replica takes its place, while servers are killed. The replica lags before.
fn failovers(name: &str, random: &mut Random, replicas: usize, keeps: Keeps) -> Outcome {
    let mut redis = Sentinels::start(name);
    let settings = settings(&format!("sentinel {}", redis.addresses.join(" ")), replicas);
    let addresses = redis.servers.iter().map(RedisServer::address).collect();
    let fleet = Fleet::new(name, vec![settings; 3], record(addresses), keeps);
    during_traffic(&fleet, random, |random| {
        for _ in 0..2 {
            let master = redis.master().expect("all is well");
            redis.servers[1 - master].pause();
            sleep(random.milliseconds(0..800));
            redis.servers[master].kill();
            redis.servers[1 - master].go_on();
            sleep(random.milliseconds(0..400));
            let place = random.below(fleet.size());
            let kills = !random.one_in(4);
            if kills {
                fleet.end(place, false);
            }
            eventually("the other one becomes master", || redis.master() == Some(1 - master));
            if kills {
                fleet.start(place);
            }
            sleep(random.milliseconds(0..1000));
            redis.servers[master].start_again();
            // For a moment it believes that it is still the master. The Sentinels may take long to tell it.
            sleep(random.milliseconds(0..2000));
            let port = redis.servers[1 - master].port().to_string();
            redis.servers[master].cli(&["REPLICAOF", "127.0.0.1", &port]);
            eventually("the old one becomes a replica", || {
                redis.servers[1 - master]
                    .cli(&["INFO", "replication"])
                    .contains("state=online")
            });
            fleet.settle();
        }
    })
}

fn failover(name: &str, random: &mut Random) -> Outcome {
    failovers(name, random, 0, Keeps::Nothing)
}

fn failover_wait_1(name: &str, random: &mut Random) -> Outcome {
    failovers(name, random, 1, Keeps::Confirmed)
}

/// Other keys fill the memory.
fn full_memory(name: &str, random: &mut Random, expiry: &str, keeps: Keeps) -> Outcome {
    let redis = RedisServer::start(&["--maxmemory-policy", name]);
    let fleet = fleet_of_three(name, &redis, keeps);
    during_traffic(&fleet, random, |random| {
        for _ in 0..2 {
            let used = redis.cli(&["INFO", "memory"]);
            let used = used
                .lines()
                .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse::<usize>().ok());
            let full = used.expect("Redis says how much it uses") + 2_000_000;
            redis.cli(&["CONFIG", "SET", "maxmemory", &full.to_string()]);
            let filling = Instant::now();
            let time = random.milliseconds(1500..4000);
            let mut ended = None;
            while filling.elapsed() < time {
                fill(&redis, random, expiry);
                if ended.is_none() && random.one_in(8) {
                    let place = random.below(fleet.size());
                    fleet.end(place, random.one_in(3));
                    ended = Some(place);
                }
                if random.one_in(10) {
                    // Now everything is too much: whatever the policy may evict goes.
                    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
                    sleep(random.milliseconds(0..200));
                    redis.cli(&["CONFIG", "SET", "maxmemory", &full.to_string()]);
                }
                sleep(random.milliseconds(0..100));
            }
            redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
            if let Some(place) = ended {
                fleet.start(place);
            }
            sleep(random.milliseconds(0..500));
        }
    })
}

fn fill(redis: &RedisServer, random: &mut Random, expiry: &str) {
    let script = "for i = 1, 64 do local key = 'other:' .. ARGV[1] .. i redis.pcall('SET', key, string.rep('x', 4096)) \
                  if ARGV[2] ~= '' then redis.pcall('EXPIRE', key, ARGV[2]) end end";
    redis.cli(&["EVAL", script, "0", &random.next().to_string(), expiry]);
}

fn noeviction(name: &str, random: &mut Random) -> Outcome {
    full_memory(name, random, "", Keeps::Everything)
}

fn allkeys_lru(name: &str, random: &mut Random) -> Outcome {
    full_memory(name, random, "", Keeps::Nothing)
}

fn volatile_lru(name: &str, random: &mut Random) -> Outcome {
    full_memory(name, random, "3600", Keeps::Everything)
}

/// The slot of the keys moves from node to node; then its node is killed, and a replica takes its place.
fn clusters(name: &str, random: &mut Random, replicas: usize, keeps: Keeps) -> Outcome {
    let mut redis = Cluster::start();
    let addresses: Vec<_> = redis.nodes.iter().map(RedisServer::address).collect();
    let settings = settings(&format!("cluster {}", addresses.join(" ")), replicas);
    let fleet = Fleet::new(name, vec![settings; 3], record(addresses), keeps);
    during_traffic(&fleet, random, |random| {
        // The last move is to the node that has a replica.
        for to in [1, 2, 0] {
            redis.move_slot(to, || sleep(random.milliseconds(0..700)));
            sleep(random.milliseconds(0..500));
            if random.one_in(2) {
                let place = random.below(fleet.size());
                fleet.end(place, random.one_in(3));
                fleet.start(place);
            }
        }
        fleet.settle();
        redis.nodes[0].kill();
        let place = random.below(fleet.size());
        let kills = !random.one_in(4);
        if kills {
            fleet.end(place, false);
        }
        eventually("the replica takes its place", || redis.owner() == Some(3));
        redis.nodes[0].start_again();
        if kills {
            fleet.start(place);
        }
        eventually("the killed node becomes a replica", || {
            redis.nodes[3].cli(&["INFO", "replication"]).contains("state=online")
        });
    })
}

fn cluster(name: &str, random: &mut Random) -> Outcome {
    clusters(name, random, 0, Keeps::Nothing)
}

fn cluster_wait_1(name: &str, random: &mut Random) -> Outcome {
    clusters(name, random, 1, Keeps::Confirmed)
}

/// One server has a bad network.
fn network(name: &str, random: &mut Random) -> Outcome {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.port());
    let bad = settings(&format!("one redis://127.0.0.1:{}", proxy.port), 0);
    let fair = settings(&format!("one {}", redis.address()), 0);
    let fleet = Fleet::new(
        name,
        vec![bad, fair.clone(), fair],
        record(vec![redis.address()]),
        Keeps::Everything,
    );
    during_traffic(&fleet, random, |random| {
        let first = random.below(4);
        for number in 0..4 {
            proxy.set(Weather::BAD[(first + number) % 4], random.milliseconds(5..300));
            sleep(random.milliseconds(200..4000));
            let place = random.below(2);
            let kills = !random.one_in(4);
            if kills {
                fleet.end(place, random.one_in(3));
            }
            proxy.set(Weather::Fair, Duration::ZERO);
            if kills {
                fleet.start(place);
            }
            sleep(random.milliseconds(0..500));
        }
    })
}

/// The clock of one server jumps while it runs, and comes back; then the server starts with a wrong clock.
fn clock(name: &str, random: &mut Random, seconds: i64) -> Outcome {
    let redis = RedisServer::start(&[]);
    let fair = settings(&format!("one {}", redis.address()), 0);
    let clock = Clock::new(name);
    let faked = fair.iter().cloned().chain(clock.settings()).collect();
    let fleet = Fleet::new(
        name,
        vec![faked, fair.clone(), fair],
        record(vec![redis.address()]),
        Keeps::Everything,
    );
    // A server that is slow by 6 minutes takes no younger sessions.
    fleet.add_older_sessions(400);
    during_traffic(&fleet, random, |random| {
        for _ in 0..2 {
            fleet.set_clock_wrong(0, true);
            clock.set(seconds);
            sleep(random.milliseconds(500..3000));
            fleet.settle();
            if random.one_in(2) {
                let place = 1 + random.below(2);
                fleet.end(place, false);
                fleet.start(place);
            }
            clock.set(0);
            fleet.set_clock_wrong(0, false);
            fleet.settle();
        }
        fleet.end(0, random.one_in(2));
        clock.set(seconds);
        let had = fleet.what_redis_has();
        let starting = fleet.launch(0);
        if seconds < 0 {
            let log = fleet.log(starting.process);
            eventually("it says that its clock is behind", || {
                fs::read_to_string(&log).is_ok_and(|log| log.contains("behind that of Redis"))
            });
            if starting.address(Duration::from_millis(500)).is_some() {
                fleet
                    .ledger
                    .fail(format!("a server joins whose clock is {seconds} s ahead"));
            }
            clock.set(0);
            fleet.join(0, &had, starting, false);
        } else {
            fleet.join(0, &had, starting, true);
            sleep(random.milliseconds(300..1000));
            clock.set(0);
            fleet.set_clock_wrong(0, false);
        }
    })
}
