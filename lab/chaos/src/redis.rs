//! The Redis of a scenario: what stands in it, and ensembles of several servers.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sealed_session::SessionId;
use sealed_session_redis::redis::{Client, RedisResult, Value, cmd};
use testkit::Directory;
use testkit::redis::{RedisServer, free_port};

use crate::fleet::MINUTE;

pub(crate) const SET: &str = "sealed-session:{chaos}:revoked";

/// Reads the ids in the set from those of the servers that have it and are no replicas. `None` if none answers.
pub(crate) fn record(addresses: Vec<String>) -> impl Fn() -> Option<BTreeSet<SessionId>> + Send + Sync + 'static {
    move || {
        addresses
            .iter()
            .filter_map(|address| read(address).ok().flatten())
            .reduce(|one, other| &one | &other)
    }
}

fn read(address: &str) -> RedisResult<Option<BTreeSet<SessionId>>> {
    let mut redis = Client::open(address)?.get_connection_with_timeout(Duration::from_secs(1))?;
    redis.set_read_timeout(Some(Duration::from_secs(2)))?;
    let role: Vec<Value> = cmd("ROLE").query(&mut redis)?;
    if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
        return Ok(None);
    }
    let members: Vec<Vec<u8>> = cmd("ZRANGE").arg(SET).arg(0).arg(-1).query(&mut redis)?;
    let ids = members
        .into_iter()
        .filter_map(|member| Some(SessionId::from_bytes(member.try_into().ok()?)));
    Ok(Some(ids.collect()))
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + MINUTE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not after a minute: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// Three Sentinels that watch a master and its replica.
pub(crate) struct Sentinels {
    pub(crate) servers: [RedisServer; 2],
    sentinels: Vec<Child>,
    pub(crate) addresses: Vec<String>,
    _directory: Directory,
}

impl Sentinels {
    pub(crate) fn start(name: &str) -> Self {
        let master = RedisServer::start(&["--repl-diskless-sync-delay", "0"]);
        let port = master.port().to_string();
        let replica = RedisServer::start(&["--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &port]);
        eventually("the replica has everything", || {
            replica.cli(&["INFO", "replication"]).contains("link_status:up")
        });
        let directory = Directory::new(&format!("{name}-sentinels"));
        let (mut sentinels, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let own = free_port();
            let path = directory.join(format!("{own}.conf"));
            let settings = format!(
                "port {own}\nbind 127.0.0.1\ndir {}\nsentinel monitor chaos 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds chaos 1000\nsentinel failover-timeout chaos 4000\n",
                directory.display()
            );
            fs::write(&path, settings).expect("the directory is writable");
            let mut sentinel = Command::new("redis-server");
            sentinel
                .arg(&path)
                .arg("--sentinel")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            sentinels.push(sentinel.spawn().expect("redis-server is installed"));
            addresses.push(format!("redis://127.0.0.1:{own}"));
        }
        let this = Self {
            servers: [master, replica],
            sentinels,
            addresses,
            _directory: directory,
        };
        eventually("the Sentinels know each other and the replica", || {
            this.ask(&["SENTINEL", "MASTER", "chaos"]).iter().all(|said| {
                let words: Vec<_> = said.lines().collect();
                let has = |name, value| words.windows(2).any(|pair| pair == [name, value]);
                has("num-slaves", "1") && has("num-other-sentinels", "2") && has("flags", "master")
            })
        });
        this
    }

    fn ask(&self, words: &[&str]) -> Vec<String> {
        let asked = self.addresses.iter().map(|address| {
            let output = Command::new("redis-cli").args(["-u", address]).args(words).output();
            String::from_utf8_lossy(&output.expect("redis-cli is installed").stdout).into_owned()
        });
        asked.collect()
    }

    /// Which of the two servers all Sentinels call the master.
    pub(crate) fn master(&self) -> Option<usize> {
        let said = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "chaos"]);
        self.servers.iter().position(|server| {
            let port = server.port().to_string();
            said.iter().all(|said| said.lines().nth(1) == Some(&*port)) && server.cli(&["ROLE"]).starts_with("master")
        })
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for sentinel in &mut self.sentinels {
            _ = sentinel.kill();
            _ = sentinel.wait();
        }
    }
}

/// Three nodes, and a replica of the first one.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<RedisServer>,
    ids: Vec<String>,
    slot: String,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let node = || RedisServer::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"]);
        let mut nodes: Vec<_> = (0..3).map(|_| node()).collect();
        let own: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let create = [
            &["--cluster", "create"],
            &*own.iter().map(String::as_str).collect::<Vec<_>>(),
            &["--cluster-yes"],
        ];
        let is_ready = |nodes: &[RedisServer], known: usize| {
            let known = format!("cluster_known_nodes:{known}");
            let said = nodes.iter().map(|node| node.cli(&["CLUSTER", "INFO"]));
            said.into_iter()
                .all(|said| said.contains("cluster_state:ok") && said.contains(&known))
        };
        let said = nodes[0].cli(&create.concat());
        assert!(said.contains("All 16384 slots covered"), "{said}");
        eventually("the cluster is made", || is_ready(&nodes, 3));
        let id = nodes[0].cli(&["CLUSTER", "MYID"]);
        nodes.push(node());
        let replica = format!("127.0.0.1:{}", nodes[3].port());
        let add = [
            "--cluster",
            "add-node",
            &replica,
            &own[0],
            "--cluster-slave",
            "--cluster-master-id",
            &id,
        ];
        nodes[0].cli(&add);
        eventually("it has a replica", || {
            is_ready(&nodes, 4) && nodes[0].cli(&["INFO", "replication"]).contains("state=online")
        });
        let ids = nodes.iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect();
        let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", SET]);
        Self { nodes, ids, slot }
    }

    /// The node that has the slot of the keys.
    pub(crate) fn owner(&self) -> Option<usize> {
        let has = |node: &RedisServer| {
            node.cli(&["ROLE"]).starts_with("master") && node.cli(&["ZCARD", SET]).parse::<usize>().is_ok()
        };
        self.nodes.iter().position(has)
    }

    /// Moves the slot as `redis-cli --cluster reshard` does, with pauses between the steps.
    pub(crate) fn move_slot(&self, to: usize, mut pause: impl FnMut()) {
        let from = self.owner().expect("a node has the slot");
        if from == to {
            return;
        }
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let set = |node: &RedisServer, what: &str, id: &str| {
            let said = node.cli(&["CLUSTER", "SETSLOT", &self.slot, what, id]);
            assert_eq!(said, "OK", "SETSLOT {what}");
        };
        set(target, "IMPORTING", &self.ids[from]);
        pause();
        set(source, "MIGRATING", &self.ids[to]);
        pause();
        let port = target.port().to_string();
        loop {
            let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1"]);
            if keys.is_empty() {
                break;
            }
            source.cli(&["MIGRATE", "127.0.0.1", &port, &keys, "0", "5000"]);
            pause();
        }
        for node in [target, source].into_iter().chain(&self.nodes[..3]) {
            set(node, "NODE", &self.ids[to]);
        }
        eventually("the slot has moved", || self.owner() == Some(to));
    }
}
