//! A real Chromium, driven by the scripts in `tests/browser`, which ask this side to change the world in between.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest that a script works before it asks for something or ends. It is given up then: how long it takes is nothing that a
/// story says, and beside others that build or test, a look at twenty pages takes minutes.
const LIMIT: Duration = Duration::from_secs(900);

/// One at a time: a browser that draws pages takes a processor, and five of them take both from everything else that runs.
static TURN: Mutex<()> = Mutex::new(());

/// A running script; dropping it ends it, and the browser with it.
#[derive(Debug)]
pub struct Browser {
    script: Child,
    answers: ChildStdin,
    lines: Receiver<String>,
    _turn: MutexGuard<'static, ()>,
}

/// Where pictures of pages are put, to be looked at.
pub fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/screenshots")
}

impl Browser {
    /// Starts a script of `tests/browser` with these arguments, as soon as no other runs.
    pub fn start(script: &str, arguments: &[&str]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        assert!(
            folder.join("node_modules/playwright-core").exists(),
            "the browser's scripts are not installed: run `npm ci` in tests/browser, or tests/run"
        );
        let mut script = Command::new("node")
            .arg(folder.join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("`node` is missing: install nodejs, or run tests/run");
        let (answers, output) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { script, answers, lines, _turn: turn }
    }

    /// Waits until the script asks for `what`.
    #[track_caller]
    pub fn asks(&self, what: &str) {
        let line = self
            .lines
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("the browser did not ask for {what:?} in {LIMIT:?}"));
        assert_eq!(line, what, "{:?}", self.rest());
    }

    /// Lets the script go on.
    pub fn answer(&mut self) {
        self.answer_with("done");
    }

    /// Lets the script go on with what it asked for.
    pub fn answer_with(&mut self, line: &str) {
        writeln!(self.answers, "{line}").unwrap();
    }

    /// Waits for the end: no page had a problem.
    #[track_caller]
    pub fn ends_well(mut self) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            if line == "done" {
                break;
            }
            said.push(line);
        }
        let problems: Vec<_> = said.iter().filter(|line| line.starts_with("problem ")).collect();
        assert!(problems.is_empty(), "{} problems:\n{problems:#?}", problems.len());
        assert!(self.script.wait().unwrap().success());
    }

    fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
