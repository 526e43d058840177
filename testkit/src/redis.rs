//! A redis-server of a test's own, on a free port of loopback. It ends with the value.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::Directory;

/// A running redis-server, or one that was killed and can start again at the same address.
pub struct RedisServer {
    process: Child,
    port: u16,
    directory: Directory,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server without persistence and waits until it answers. `arguments` are those of redis-server, such as
    /// `["--appendonly", "yes"]`, and come after its own.
    pub fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut logged = String::new();
        // Another process may take the port before redis-server does; then there is another one.
        for _ in 0..20 {
            let port = free_port();
            let directory = Directory::new(&format!("redis-{port}"));
            let mut process = run(port, &directory, &arguments);
            if answers(port, &mut process) {
                return Self {
                    process,
                    port,
                    directory,
                    arguments,
                };
            }
            end(&mut process);
            logged = log(&directory);
        }
        panic!("redis-server does not start: {logged}");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// For `redis::Client::open`.
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The directory in which it works.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        end(&mut self.process);
    }

    /// Starts it again at the same address after [`kill`](Self::kill), with what it has on the disk.
    pub fn start_again(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            self.process = run(self.port, &self.directory, &self.arguments);
            if answers(self.port, &mut self.process) {
                return;
            }
            end(&mut self.process);
            assert!(
                Instant::now() < deadline,
                "redis-server does not start again: {}",
                log(&self.directory)
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// `kill -STOP`: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        signal("STOP", self.process.id());
    }

    /// `kill -CONT`.
    pub fn go_on(&self) {
        signal("CONT", self.process.id());
    }

    /// What redis-cli prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(arguments)
            .output();
        let output = output.expect("redis-cli is installed");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Whether there is a redis-server to test with. Only outside of CI a test may do without: `cargo test` has to work on a
/// machine that has Rust alone.
pub fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").output().is_ok();
    assert!(found || env::var_os("CI").is_none(), "install redis-server");
    if !found {
        eprintln!("not tested: redis-server is not installed");
    }
    found
}

/// Sends a signal to a process that the test started.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {process}");
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

fn run(port: u16, directory: &Directory, arguments: &[String]) -> Child {
    let port = port.to_string();
    let mut server = Command::new("redis-server");
    server.args([
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--logfile",
        "redis.log",
    ]);
    server.arg("--dir").arg(&**directory).args(arguments);
    let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    server.expect("redis-server is installed: `apt-get install redis-server`")
}

/// Waits for an answer. `false` if the process ended, such as for a port that is taken.
fn answers(port: u16, process: &mut Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while Instant::now() < deadline {
        if !matches!(process.try_wait(), Ok(None)) {
            return false;
        }
        if let Ok(mut connection) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            let mut answer = [0; 5];
            _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
            let asked = connection
                .write_all(b"PING\r\n")
                .and_then(|()| connection.read_exact(&mut answer));
            // With users it wants a password; while it loads, it says so.
            if asked.is_ok() && (&answer == b"+PONG" || &answer == b"-NOAU" || &answer == b"-NOPE") {
                return true;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

fn end(process: &mut Child) {
    // Errors mean that it has ended.
    let _ = process.kill();
    let _ = process.wait();
}

fn log(directory: &Directory) -> String {
    fs::read_to_string(directory.join("redis.log")).unwrap_or_default()
}
