//! The JavaScript module of `js/` in one Node process, through the line protocol of `js/cross.js`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct JavaScript {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl JavaScript {
    /// Starts Node. It ends when its standard input closes, so also when this process ends without running destructors.
    pub fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../js/cross.js");
        let mut process = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node 20 or later is installed");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, input, output }
    }

    /// Asks all questions at once; the answers come in the same order.
    pub fn ask<const N: usize>(&mut self, questions: [&Value; N]) -> [Value; N] {
        let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
        self.input.write_all(lines.as_bytes()).expect("cross.js reads");
        questions.map(|question| {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("cross.js answers");
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} to {question}"))
        })
    }
}

impl Drop for JavaScript {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_answered_in_order() {
        let [one, two] = JavaScript::start().ask([&json!({"op": "shut", "ref": 1}), &json!({"ref": 2})]);
        assert_eq!((&one["ref"], &two["ref"]), (&json!(1), &json!(2)));
        assert!(one["error"].is_string(), "{one}");
    }
}
