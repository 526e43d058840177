//! The programs that this one starts: they end with it, whatever ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use crate::Result;
use crate::servers::Server;

/// The load and Redis have a core of their own, so that the server's core is the server's alone.
pub const SERVER_CORE: &str = "0";
pub const LOAD_CORE: &str = "1";

/// A command that runs on one core, if there are two, and ends with this program.
pub fn on_core(core: &str, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]);
    if has_two_cores() {
        command.args(["taskset", "--cpu-list", core]);
    }
    command.arg(program).stdin(Stdio::null());
    command
}

pub fn has_two_cores() -> bool {
    thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub fn server(server: Server, redis: &Self) -> Result<Self> {
        let program = env::current_exe()?;
        let mut command = on_core(SERVER_CORE, program.to_str().ok_or("this program's path is not UTF-8")?);
        command.args(["serve", server.argument(), &format!("redis://{}", redis.address)]);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("standard output is piped")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse();
        let address = address.map_err(|_| format!("the server `{}` did not start", server.argument()))?;
        Ok(Self { child, address })
    }

    /// A Redis that keeps nothing on disk.
    pub fn redis() -> Result<Self> {
        // The port is free now. If another program takes it before Redis does, Redis ends, and so does this.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = on_core(LOAD_CORE, "redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no"]).stdout(Stdio::null());
        let child = command.spawn()?;
        let mut process = Self { child, address };
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("redis-server ended: {status}").into());
            }
            if let Ok(mut stream) = TcpStream::connect(address) {
                let mut answer = [0; 5];
                stream.write_all(b"PING\r\n")?;
                stream.read_exact(&mut answer)?;
                return if answer == *b"+PONG" {
                    Ok(process)
                } else {
                    Err("that is no Redis".into())
                };
            }
        }
        Err("redis-server does not answer".into())
    }

    /// The processor time of all its threads, in microseconds. `/proc/PID/stat` counts in hundredths of a second.
    pub fn cpu(&self) -> Result<f64> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let on_cpu = text.split(' ').next().ok_or("schedstat has three numbers")?;
            nanoseconds += on_cpu.parse::<f64>()?;
        }
        Ok(nanoseconds / 1000.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
