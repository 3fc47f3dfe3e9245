//! Runs the subjects of a work in turns and keeps what the runs gave: medians, spread, ratios.
use serde_json::{json, Map, Value};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One measurement of one subject: a run gives one number, in the work's unit.
pub struct Entry<'a> {
    pub subject: &'static str,
    pub note: &'static str,
    pub run: Box<dyn FnMut() -> f64 + 'a>,
}

pub fn entry<'a>(subject: &'static str, run: impl FnMut() -> f64 + 'a) -> Entry<'a> {
    Entry { subject, note: "", run: Box::new(run) }
}

pub fn noted<'a>(subject: &'static str, note: &'static str, run: impl FnMut() -> f64 + 'a) -> Entry<'a> {
    Entry { subject, note, run: Box::new(run) }
}

pub struct Work {
    pub key: &'static str,
    pub what: &'static str,
    pub parameters: Value,
    pub unit: &'static str,
    pub better: &'static str,
}

impl Work {
    pub fn ns(key: &'static str, what: &'static str, parameters: Value) -> Work {
        Work { key, what, parameters, unit: "ns", better: "less" }
    }
}

pub struct Report {
    /// Runs of each subject.
    pub runs: usize,
    /// How long a run of a small operation takes, about.
    pub slice: Duration,
    pub only: Option<String>,
    pub rows: Vec<Value>,
    pub reasons: Vec<Value>,
}

impl Report {
    /// Whether a work was asked for: all are, unless one is named.
    pub fn wants(&self, key: &str) -> bool {
        self.only.as_deref().is_none_or(|only| key.starts_with(only))
    }

    /// A warm-up of each, then all in turns, so that a slow moment of the machine falls on all of them.
    pub fn contest(&mut self, work: &Work, mut entries: Vec<Entry>) {
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); entries.len()];
        for one in &mut entries {
            black_box((one.run)());
        }
        for _ in 0..self.runs {
            for (one, kept) in entries.iter_mut().zip(&mut values) {
                kept.push((one.run)());
            }
        }
        let ours = entries.iter().position(|one| one.subject == "corestate").map(|at| values[at].clone());
        for (one, kept) in entries.iter().zip(&values) {
            let ratio =
                ours.as_ref().map(|ours| middle(&kept.iter().zip(ours).map(|(a, b)| a / b).collect::<Vec<_>>()));
            self.keep(work, one.subject, one.note, kept, ratio);
        }
    }

    pub fn keep(&mut self, work: &Work, subject: &str, note: &str, values: &[f64], ratio: Option<f64>) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let tenth = sorted.len() / 10;
        let (median, low, high) = (middle(values), sorted[tenth], sorted[sorted.len() - 1 - tenth]);
        let mut row = Map::new();
        row.insert("work".into(), json!(work.key));
        row.insert("what".into(), json!(work.what));
        row.insert("parameters".into(), work.parameters.clone());
        row.insert("unit".into(), json!(work.unit));
        row.insert("better".into(), json!(work.better));
        row.insert("subject".into(), json!(subject));
        row.insert("version".into(), json!(crate::subjects::version(subject)));
        row.insert("median".into(), json!(short(median)));
        row.insert("low".into(), json!(short(low)));
        row.insert("high".into(), json!(short(high)));
        row.insert("runs".into(), json!(values.len()));
        if let Some(ratio) = ratio {
            row.insert("ratio".into(), json!(short(ratio)));
        }
        row.insert("note".into(), json!(note));
        let parameters = if work.parameters == json!({}) { String::new() } else { work.parameters.to_string() };
        eprintln!(
            "{:<16} {parameters:<44} {subject:<20} {:>12} {:<5} ({} to {}){}",
            work.key,
            short(median),
            work.unit,
            short(low),
            short(high),
            ratio.map_or_else(String::new, |ratio| format!("  x {}", short(ratio))),
        );
        self.rows.push(Value::Object(row));
    }

    /// Why corestate does not lead in a work; kept only where it does not.
    pub fn reason(&mut self, work: &Work, text: &str) {
        let rows: Vec<&Value> =
            self.rows.iter().filter(|row| row["work"] == work.key && row["parameters"] == work.parameters).collect();
        let median = |row: &&Value| row["median"].as_f64().unwrap_or(f64::NAN);
        let Some(ours) = rows.iter().find(|row| row["subject"] == "corestate").map(median) else { return };
        let led = rows.iter().filter(|row| row["subject"] != "floor" && row["subject"] != "corestate").any(|row| {
            if work.better == "less" {
                median(row) < ours
            } else {
                median(row) > ours
            }
        });
        if led {
            self.reasons.push(json!({"work": work.key, "parameters": work.parameters, "text": text}));
        }
    }

    /// Nanoseconds an operation takes, in runs of about `slice`; how many fill one is found out at the first.
    pub fn timed<'a>(&self, mut operation: impl FnMut() + 'a) -> impl FnMut() -> f64 + 'a {
        let slice = self.slice;
        let mut count = 0u64;
        move || {
            if count == 0 {
                count = 16;
                while times(count, &mut operation) < slice / 2 {
                    count *= 2;
                }
            }
            times(count, &mut operation).as_nanos() as f64 / count as f64
        }
    }
}

fn times(count: u64, operation: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..count {
        operation();
    }
    started.elapsed()
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Four digits that count.
fn short(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
