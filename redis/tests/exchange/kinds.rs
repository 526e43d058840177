//! Every kind of Redis that a server may have: with TLS, with a user of few rights, RESP3, Sentinels, a cluster.

#[cfg(any(feature = "tls", feature = "sentinel", feature = "cluster"))]
use std::process;

use super::*;

/// One revokes, the other hears it, and a third that joins later reads it.
#[track_caller]
fn works(builder: impl Fn() -> Builder) {
    let (one, other) = (started(builder()), started(builder()));
    revoke(&one, 1);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 1);
    let late = started(builder());
    assert!(late.is_revoked(id(1)) && !late.is_revoked(id(2)));
    late.raise_cut_off(OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap());
    eventually("the cut-off is heard", || {
        one.cut_off().is_some() && other.cut_off().is_some()
    });
}

fn builder_at(address: &str) -> Builder {
    RedisRevocations::builder(redis::Client::open(address).unwrap(), "shop")
}

#[test]
fn it_works_with_resp3() {
    let redis = RedisServer::start(&[]);
    let address = format!("{}?protocol=resp3", redis.address());
    works(|| builder_at(&address));
    redis.cli(&["FLUSHALL"]);
    works(|| builder_at(&address));
}

/// The rights of a user as README.md has them: the user's name is the first word.
fn rights() -> Vec<&'static str> {
    let mut lines = include_str!("../../README.md").lines();
    let rights = lines.find_map(|line| line.strip_prefix("ACL SETUSER ")).unwrap();
    rights.split(' ').collect()
}

#[test]
fn a_user_with_the_rights_of_the_readme_is_enough() {
    let words = rights();
    let redis = RedisServer::start(&[]);
    let answer = redis.cli(&[&["ACL", "SETUSER"], &words[..]].concat());
    assert_eq!(answer, "OK");
    let password = words.iter().find_map(|word| word.strip_prefix('>')).unwrap();
    let address = format!("redis://{}:{password}@127.0.0.1:{}", words[0], redis.port());
    works(|| builder_at(&address).replicas(0));
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &redis.port().to_string()]);
    works(|| builder_at(&address).replicas(1));
    drop(replica);
    // And no more than that.
    let log = redis.cli(&["ACL", "LOG"]);
    assert_eq!(log, "", "nothing was denied");
    for denied in [
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET *",
        "GET sealed-session:{shop}:revoked",
        "DEL other",
    ] {
        let words = [&["ACL", "DRYRUN", words[0]], &denied.split(' ').collect::<Vec<_>>()[..]].concat();
        assert!(redis.cli(&words).contains("no permissions"), "{denied}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn it_works_with_tls_and_an_authority_of_ones_own() {
    let directory = testkit::Directory::new("redis-tls");
    let openssl = |arguments: &str| {
        let made = process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&*directory)
            .stderr(process::Stdio::null())
            .status();
        assert!(made.unwrap().success(), "openssl {arguments}");
    };
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {ec} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"
    ));
    openssl(&format!("req {ec} -keyout redis.key -out redis.csr -subj /CN=redis"));
    openssl("x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -days 2 -out redis.pem -extfile names");
    let port = testkit::redis::free_port().to_string();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key, authority) = (path("redis.pem"), path("redis.key"), path("ca.pem"));
    let redis = RedisServer::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
    ]);
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(std::fs::read(&authority).unwrap()),
    };
    let address = format!("rediss://127.0.0.1:{port}");
    works(|| {
        let client = redis::Client::build_with_tls(&*address, certificates.clone()).unwrap();
        RedisRevocations::builder(client, "shop")
    });
    // An authority that the system does not know is an error, and no connection without it.
    let heard = Heard::default();
    let list = builder_at(&address)
        .observer(heard.observer())
        .start(Start::ServeWithout)
        .unwrap();
    eventually("it is refused", || format!("{heard:?}").contains("certificate"));
    assert!(!list.health().joined);
    drop(redis);
}

#[cfg(feature = "sentinel")]
struct Sentinel {
    process: process::Child,
    port: u16,
}

#[cfg(feature = "sentinel")]
impl Sentinel {
    fn start(directory: &std::path::Path, master: &str) -> Self {
        let port = testkit::redis::free_port();
        let file = directory.join(format!("{port}.conf"));
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 5000\n"
        );
        std::fs::write(&file, settings).unwrap();
        let process = process::Command::new("redis-server")
            .arg(file)
            .arg("--sentinel")
            .stdout(process::Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    fn master(&self) -> String {
        let port = self.port.to_string();
        let told = process::Command::new("redis-cli")
            .args(["-p", &port, "SENTINEL", "MASTER", "shop"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&told.stdout).replace('\n', " ")
    }
}

#[cfg(feature = "sentinel")]
impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[cfg(feature = "sentinel")]
#[test]
fn it_follows_the_master_that_sentinels_name() {
    let mut master = RedisServer::start(&[]);
    let port = master.port().to_string();
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    eventually("the replica is in step", || {
        replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
    });
    let directory = testkit::Directory::new("redis-sentinel");
    let sentinels = [(); 3].map(|()| Sentinel::start(&directory, &port));
    let addresses: Vec<_> = sentinels
        .iter()
        .map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port))
        .collect();
    let client = || {
        let kind = redis::sentinel::SentinelServerType::Master;
        let client = redis::sentinel::SentinelClient::build(addresses.clone(), String::from("shop"), None, kind);
        RedisRevocations::builder(client.unwrap(), "shop")
    };
    eventually("the sentinels know each other and the replica", || {
        let told: Vec<_> = sentinels.iter().map(Sentinel::master).collect();
        told.iter()
            .all(|told| told.contains("num-other-sentinels 2") && told.contains("num-slaves 1"))
    });
    works(client);
    let (one, other) = (started(client()), started(client()));
    master.kill();
    revoke(&one, 7);
    one.flush(MINUTE).unwrap();
    all_refuse(&[&other], 7);
    assert!(replica.cli(&["ROLE"]).starts_with("master"));
    assert!(started(client()).is_revoked(id(7)));
}

#[cfg(feature = "cluster")]
#[test]
fn it_works_in_a_cluster() {
    let nodes = [(); 3].map(|()| {
        let bus = testkit::redis::free_port().to_string();
        let enabled = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "5000",
            "--cluster-port",
            &bus,
        ];
        let node = RedisServer::start(&enabled);
        let address = format!("127.0.0.1:{}@{bus}", node.port());
        (node, address)
    });
    let created = process::Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(nodes.iter().map(|(_, address)| address))
        .arg("--cluster-yes")
        .output()
        .unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    eventually("all nodes agree", || {
        nodes
            .iter()
            .all(|(node, _)| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    });
    let addresses: Vec<_> = nodes.iter().map(|(node, _)| node.address()).collect();
    works(|| {
        let client = redis::cluster::ClusterClient::new(addresses.clone()).unwrap();
        RedisRevocations::builder(client, "shop")
    });
    // And as a user of few rights.
    for (node, _) in &nodes {
        let answer = node.cli(&[&["ACL", "SETUSER"], &rights()[..], &["+cluster|slots", "+ping"]].concat());
        assert_eq!(answer, "OK");
    }
    works(|| {
        let addresses: Vec<_> = addresses
            .iter()
            .map(|address| address.replace("//", "//shop:secret@"))
            .collect();
        let client = redis::cluster::ClusterClient::new(addresses).unwrap();
        RedisRevocations::builder(client, "shop")
    });
    let denied: Vec<_> = nodes.iter().map(|(node, _)| node.cli(&["ACL", "LOG"])).collect();
    assert_eq!(denied.concat(), "", "nothing was denied");
}
