//! `--redis`: three servers by one command, which share sign-outs through Redis. They are processes of this program,
//! and have the ring file and the directory of `LOGIN_SHARED` in common.
//!
//! Every process that is started here has an open pipe as its standard input and ends when the pipe does. So all end
//! with this one, also after a `kill -9`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit, id};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use std::{env, thread};

use sealed_session_redis::redis::Client;

use crate::key_file::KeyFile;
use crate::server::{STOP, ctrl_c};
use crate::shared_list::ADDRESS;
use crate::terminal::{line, say};

/// Starts the servers, shows what they print, and ends them at Ctrl-C. Without the address of a Redis, it starts one.
pub(crate) fn run(address: Option<String>) -> Result<(), Box<dyn Error>> {
    // The servers share this ring, so none of them may make it.
    let _made = KeyFile::open(false)?;
    let directory = Directory::new()?;
    let (redis, address) = match address {
        Some(address) => (None, address),
        None => {
            let socket = directory.0.join("redis.sock");
            (Some(redis(&socket)?), format!("unix:{}", socket.display()))
        }
    };
    reach(&Client::open(&*address)?)?;
    let (sender, news) = channel();
    let start = |number: u16, name| watched(name, server(number, &address, &directory.0)?, sender.clone());
    let mut names = (0..).zip(NAMES);
    let mut servers = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    let stop = sender.clone();
    tokio::spawn(async move {
        ctrl_c().await;
        let _ = stop.send(News::Stop);
    });
    loop {
        // One after the other, so that their ports are in order.
        if addresses.len() == servers.len()
            && let Some((number, name)) = names.next()
        {
            servers.insert(name, start(number, name)?);
        }
        match news.recv()? {
            News::Line(name, text) => {
                line(&format!("{name:<6}| {text}"));
                if let Some(address) = text.strip_prefix("listening on ") {
                    addresses.insert(name, address.to_owned());
                    if addresses.len() == NAMES.len() {
                        explain(&servers, &addresses, redis.is_some().then_some(&*directory.0));
                    }
                }
            }
            News::Ended(name) if addresses.contains_key(name) => say("ended", &format!("{name}; the others go on")),
            News::Ended(name) => return Err(format!("server {name} did not start").into()),
            News::Stop => break,
        }
    }
    end(servers.into_values().collect())?;
    // After the servers, which bring it what they have revoked.
    end(redis.into_iter().collect())?;
    say("stopped", "all servers");
    Ok(())
}

/// Waits until Redis answers.
fn reach(redis: &Client) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = redis.get_connection_with_timeout(Duration::from_secs(2)) {
        if Instant::now() > deadline {
            return Err(format!("no Redis at this address: {error}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn explain(servers: &BTreeMap<&str, Child>, addresses: &BTreeMap<&str, String>, own_redis: Option<&Path>) {
    line("\nThree servers run:\n");
    for name in NAMES {
        let process = servers.get(name).map_or(0, Child::id);
        line(&format!("  {name:<6} {}  process {process}", addresses[name]));
    }
    line(
        "\nSign in on one of them and open the others: cookies do not know ports, so you are signed in on all three.\n\
         Sign out on one: it answers when the sign-out is in Redis, and the others refuse copies of the cookie.\n\
         End one with `kill -9` and its process: the others go on. Ctrl-C ends all.",
    );
    if let Some(directory) = own_redis {
        line(&format!(
            "Watch Redis: redis-cli -s {}/redis.sock monitor",
            directory.display()
        ));
    }
    line("");
}

/// A server of this program, which shares.
fn server(number: u16, address: &str, directory: &Path) -> Result<Child, Box<dyn Error>> {
    let mut server = Command::new(env::current_exe()?);
    server.env(ADDRESS, address).env("LOGIN_SHARED", directory);
    if let Some(port) = env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .filter(|&port: &u16| port != 0)
    {
        server.env("PORT", port.saturating_add(number).to_string());
    }
    Ok(apart(&mut server).stdout(Stdio::piped()).spawn()?)
}

/// A redis-server that can be reached through a socket file only, and keeps nothing on the disk.
fn redis(socket: &Path) -> Result<Child, Box<dyn Error>> {
    let found = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    found.map_err(|error| {
        format!(
            "redis-server does not start ({error}). Install it (Debian: `apt-get install redis-server`, macOS: `brew \
             install redis`), or name one that runs: --redis redis://localhost"
        )
    })?;
    // It does not end with its standard input, so a shell ends it.
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        r#""$0" "$@" & cat; kill $!; wait"#,
        "redis-server",
        "--unixsocket",
    ]);
    shell.arg(socket).args([
        "--unixsocketperm",
        "700",
        "--port",
        "0",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    shell.args(["--maxmemory-policy", "noeviction"]).stdout(Stdio::null());
    Ok(apart(&mut shell).spawn()?)
}

/// Ctrl-C reaches this process alone, which ends the others in their order.
fn apart(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).process_group(0)
}

enum News {
    Line(&'static str, String),
    Ended(&'static str),
    Stop,
}

/// Reads what a server prints.
fn watched(name: &'static str, mut server: Child, news: Sender<News>) -> Result<Child, Box<dyn Error>> {
    let output = server.stdout.take().ok_or("the output is piped")?;
    thread::spawn(move || {
        // An error means that this program ends.
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = news.send(News::Line(name, text));
        }
        let _ = news.send(News::Ended(name));
    });
    Ok(server)
}

fn end(mut processes: Vec<Child>) -> io::Result<()> {
    processes.iter_mut().for_each(|process| drop(process.stdin.take()));
    processes.iter_mut().try_for_each(|process| process.wait().map(drop))
}

/// In a server that was started here: it ends when its standard input does.
pub(crate) fn end_with_parent() {
    if env::var_os(ADDRESS).is_none() {
        return;
    }
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        STOP.notify_one();
        // It may still be waiting for Redis.
        thread::sleep(Duration::from_secs(10));
        exit(1);
    });
}

/// A directory of this process, which only its owner may read. It is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self, Box<dyn Error>> {
        let path = env::temp_dir().join(format!("login-demo-{}", id()));
        // Of an earlier process with this id, which was killed.
        let _ = fs::remove_dir_all(&path);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NAMES: [&str; 3] = ["one", "two", "three"];
