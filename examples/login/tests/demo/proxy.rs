//! One address for several servers: each is asked in turn, and the next one if it does not answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A proxy that reads complete requests and answers. If a server has not answered in full, it asks another one: servers
/// keep nothing of a session, so it does not matter whether the first one had begun.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: String,
    servers: Arc<Mutex<Vec<String>>>,
    turns: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let proxy = Self {
            address: address.to_string(),
            servers: Arc::new(Mutex::new(servers)),
            turns: Arc::default(),
            failures: Arc::default(),
        };
        let (accepting, serving) = (listener, proxy.clone());
        thread::spawn(move || {
            for stream in accepting.incoming().flatten() {
                let proxy = serving.clone();
                thread::spawn(move || proxy.serve(stream));
            }
        });
        proxy
    }

    /// Server `index` has started again at another address.
    pub(crate) fn moved(&self, index: usize, address: &str) {
        self.servers.lock().expect("nothing panics while it is held")[index] = address.to_owned();
    }

    /// How often a server did not answer.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    fn serve(&self, mut client: TcpStream) {
        let Some(request) = whole(&mut client) else {
            return;
        };
        let turn = self.turns.fetch_add(1, Ordering::SeqCst);
        let servers = self.servers.lock().expect("nothing panics while it is held").clone();
        for tried in 0..servers.len() {
            if let Some(answer) = ask(&servers[(turn + tried) % servers.len()], &request) {
                // The client may have gone.
                let _ = client.write_all(&answer);
                return;
            }
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

fn ask(server: &str, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(request).ok()?;
    whole(&mut stream)
}

/// A request or an answer, if all of it came.
fn whole(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(Some(0), |length| length.parse().ok())?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
