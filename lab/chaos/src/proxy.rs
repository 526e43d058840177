//! A bad network between one server and Redis.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Weather {
    Fair,
    /// Every part of a message takes longer.
    Slow,
    /// Connections are closed, and new ones too.
    Cut,
    /// Nothing arrives, in either direction, and nothing is closed.
    BlackHole,
    /// Requests arrive, answers do not.
    HalfOpen,
}

impl Weather {
    const ALL: [Self; 5] = [Self::Fair, Self::Slow, Self::Cut, Self::BlackHole, Self::HalfOpen];
    pub(crate) const BAD: [Self; 4] = [Self::Slow, Self::Cut, Self::BlackHole, Self::HalfOpen];
}

/// A relay to an address.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    weather: Arc<AtomicU8>,
    delay: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (weather, delay) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicU64::new(0)));
        let relay = Relay {
            weather: Arc::clone(&weather),
            delay: Arc::clone(&delay),
        };
        // It ends with the program.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
                if relay.now() == Weather::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
                    continue;
                };
                for (from, into, is_answer) in [(&client, &server, false), (&server, &client, true)] {
                    let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else {
                        continue;
                    };
                    let relay = relay.clone();
                    thread::spawn(move || relay.copy(from, into, is_answer));
                }
            }
        });
        Self { port, weather, delay }
    }

    pub(crate) fn set(&self, weather: Weather, delay: Duration) {
        self.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
        self.weather.store(weather as u8, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Relay {
    weather: Arc<AtomicU8>,
    delay: Arc<AtomicU64>,
}

impl Relay {
    fn now(&self) -> Weather {
        Weather::ALL[usize::from(self.weather.load(Ordering::Relaxed))]
    }

    fn copy(&self, mut from: TcpStream, mut into: TcpStream, is_answer: bool) {
        let mut buffer = [0; 16_384];
        _ = from.set_read_timeout(Some(Duration::from_millis(20)));
        _ = into.set_nodelay(true);
        loop {
            let weather = self.now();
            match weather {
                Weather::Cut => break,
                // TCP sends it again when the network works again.
                Weather::BlackHole => {
                    sleep(Duration::from_millis(20));
                    continue;
                }
                Weather::HalfOpen if is_answer => {
                    sleep(Duration::from_millis(20));
                    continue;
                }
                _ => {}
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    if weather == Weather::Slow {
                        sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed)));
                    }
                    if into.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => break,
            }
        }
        _ = from.shutdown(Shutdown::Both);
        _ = into.shutdown(Shutdown::Both);
    }
}
