//! corestate's C core beside the Rust crates one would pick instead, on the same works, in one run.
//!
//! `corestate-bench-native [--full] [--only WORK] [--out FILE]` writes the rows as JSON, to standard output without a
//! file. With `member ROLE SUBJECT FOLDER INDEX` it is one of the processes that a work starts.
mod region;
mod report;
mod subjects;
mod sys;
mod team;
mod works;

use report::Report;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use team::Member;

const USAGE: &str = "usage: corestate-bench-native [--full] [--only WORK] [--out FILE]";

/// Files that live as long as the run, in memory where there is a file system for that.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let base = Path::new("/dev/shm");
        let base = if base.is_dir() { base.to_path_buf() } else { std::env::temp_dir() };
        let folder = base.join(format!("corestate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the run's files");
        Scratch(folder)
    }

    fn of(&self, work: &str) -> PathBuf {
        let folder = self.0.join(work);
        std::fs::create_dir_all(&folder).expect("a folder for a work's files");
        folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn member(words: &[String]) {
    let [role, subject, folder, index] = words else { panic!("a member needs role, subject, folder and index") };
    let member = Member::join(subject, Path::new(folder), index.parse().expect("an index"));
    match role.as_str() {
        "add" => works::numbers::member(&member),
        "read" => works::records::member(&member, false),
        "write" => works::records::member(&member, true),
        "echo" => works::events::member(&member, false),
        "echo-asleep" => works::events::member(&member, true),
        "drain" => works::rate::member(&member, false),
        "drain-slow" => works::rate::member(&member, true),
        "lock" => works::locks::member(&member),
        _ => panic!("no role is called {role}"),
    }
}

fn main() {
    iceoryx2::prelude::set_log_level(iceoryx2::prelude::LogLevel::Error);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "member") {
        return member(&arguments[1..]);
    }
    let (mut full, mut only, mut out) = (false, None, None);
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--full" => full = true,
            "--only" => only = Some(words.next().expect(USAGE)),
            "--out" => out = Some(words.next().expect(USAGE)),
            _ => {
                eprintln!("{word}: no such option\n{USAGE}");
                std::process::exit(2);
            }
        }
    }
    let (runs, slice) = if full { (31, 20) } else { (11, 5) };
    let mut report = Report { runs, slice: Duration::from_millis(slice), only, rows: Vec::new(), reasons: Vec::new() };
    let scratch = Scratch::new();
    works::numbers::run(&mut report, &scratch.of("numbers"));
    works::records::run(&mut report, &scratch.of("records"));
    works::agents::run(&mut report, &scratch.of("agents"));
    works::events::run(&mut report, &scratch.of("events"));
    works::rate::run(&mut report, &scratch.of("rate"));
    works::locks::run(&mut report, &scratch.of("locks"));
    drop(scratch);
    let result = json!({
        "form": if full { "full" } else { "short" },
        "subjects": subjects::subjects(),
        "missing": subjects::missing(),
        "rows": report.rows,
        "reasons": report.reasons,
    });
    let text = serde_json::to_string_pretty(&result).expect("JSON") + "\n";
    match out {
        Some(path) => std::fs::write(&path, text).unwrap_or_else(|error| panic!("{path} cannot be written: {error}")),
        None => print!("{text}"),
    }
}
