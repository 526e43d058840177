//! As much HTTP as the run needs: one request on a connection of its own, or on one that is kept.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use std::{io, str};

/// Keeps a connection to each server.
#[derive(Default)]
pub(crate) struct Client {
    kept: HashMap<SocketAddr, BufReader<TcpStream>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// For the field `Cookie` of the next request.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Client {
    /// An error says nothing about what the server has done.
    pub(crate) fn ask(&mut self, server: SocketAddr, method: &str, path: &str, cookie: &str) -> io::Result<Answer> {
        let mut connection = match self.kept.remove(&server) {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(stream)
            }
        };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nCookie: {cookie}\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes())?;
        let answer = answer(&mut connection)?;
        self.kept.insert(server, connection);
        Ok(answer)
    }
}

fn answer(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = || {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok::<_, io::Error>(line.trim_end().to_owned())
    };
    let first = line()?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (mut cookies, mut length) = (Vec::new(), 0);
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("set-cookie") {
            cookies.extend(value.split(';').next().map(str::to_owned));
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| broken())?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(Answer {
        status: status.ok_or_else(broken)?,
        cookies,
        body: String::from_utf8(body).map_err(|_| broken())?,
    })
}

/// More than any answer takes: `confirmed` waits for 3 seconds.
const PATIENCE: Duration = Duration::from_secs(20);
