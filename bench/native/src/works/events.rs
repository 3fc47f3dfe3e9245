//! An event to another process and one back: spinning, and both asleep.
use crate::region::{config, must, Attached};
use crate::report::{entry, noted, Entry, Report, Work};
use crate::sys;
use crate::team::{stay_anywhere, stay_on, Member, Team};
use iceoryx2::port::{listener::Listener, notifier::Notifier, publisher::Publisher, subscriber::Subscriber};
use iceoryx2::prelude::*;
use serde_json::json;
use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub const BYTES: usize = 40;
pub type Payload = [u8; BYTES];
pub const PAYLOAD: Payload = [9; BYTES];

/// One event read, and room for what the region lets an event carry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Row {
    pub head: sys::Event,
    pub data: [u8; 224],
}

/// A reader of one kind of events.
pub struct Reader {
    subscription: sys::Subscription,
    _kinds: Box<[u32]>,
}

impl Reader {
    pub fn of(region: &Attached, kind: u32) -> Reader {
        let mut kinds = vec![0u32; kind as usize / 32 + 1].into_boxed_slice();
        kinds[kind as usize / 32] |= 1 << (kind % 32);
        let mut subscription = unsafe { std::mem::zeroed::<sys::Subscription>() };
        must(unsafe { sys::cs_subscribe(region.get(), &mut subscription, sys::FOREVER) });
        subscription.kinds = kinds.as_ptr();
        subscription.kind_bits = kinds.len() as u32 * 32;
        Reader { subscription, _kinds: kinds }
    }

    pub fn drain(&mut self, region: &Attached, rows: &mut [Row]) -> usize {
        let mut count = 0;
        let (row, room) = (std::mem::size_of::<Row>() as u32, rows.len() as u32);
        let at = rows.as_mut_ptr().cast();
        must(unsafe { sys::cs_events_drain(region.get(), &mut self.subscription, at, row, room, &mut count) });
        count as usize
    }

    fn wait(&mut self, region: &Attached) {
        let result = unsafe { sys::cs_events_wait(region.get(), &mut self.subscription, 100_000_000) };
        assert!(result >= 0 || result == -12 || result == -13, "the core refused to wait: {result}");
    }
}

pub fn publish(region: &Attached, kind: u32) {
    let length = BYTES as u32;
    must(unsafe {
        sys::cs_event_publish(
            region.get(),
            kind,
            sys::FORMAT_BYTES,
            PAYLOAD.as_ptr().cast(),
            length,
            std::ptr::null_mut(),
        )
    });
}

/// One side of a subject's exchange.
trait Side {
    fn send(&mut self);
    /// Looks, asleep between two looks where it is to sleep; whether something came.
    fn take(&mut self) -> bool;
}

struct Ours {
    region: Attached,
    reader: Reader,
    kind: u32,
    rows: [Row; 1],
    asleep: bool,
}

impl Side for Ours {
    fn send(&mut self) {
        publish(&self.region, self.kind);
    }

    fn take(&mut self) -> bool {
        if self.asleep {
            self.reader.wait(&self.region);
        }
        self.reader.drain(&self.region, &mut self.rows) == 1
    }
}

struct Iceoryx {
    publisher: Publisher<ipc::Service, Payload, ()>,
    subscriber: Subscriber<ipc::Service, Payload, ()>,
    bells: Option<(Notifier<ipc::Service>, Listener<ipc::Service>)>,
    _node: Node<ipc::Service>,
}

impl Side for Iceoryx {
    fn send(&mut self) {
        self.publisher.send_copy(PAYLOAD).expect("iceoryx2's send");
        if let Some((notifier, _)) = &self.bells {
            notifier.notify().expect("iceoryx2's notification");
        }
    }

    fn take(&mut self) -> bool {
        if let Some((_, listener)) = &mut self.bells {
            listener.timed_wait(|_| {}, Duration::from_millis(100)).expect("iceoryx2's wait");
        }
        self.subscriber.receive().expect("iceoryx2's receive").is_some()
    }
}

fn open(subject: &str, folder: &Path, first: bool, asleep: bool) -> Box<dyn Side> {
    let (send, take) = if first { ("ping", "pong") } else { ("pong", "ping") };
    if subject == "corestate" {
        let path = folder.join("region");
        let region = if path.exists() { Attached::open(&path) } else { Attached::create(&path, &config(16, 256)) };
        let kind = region.kind(send);
        let reader = Reader::of(&region, region.kind(take));
        let rows = [unsafe { std::mem::zeroed() }];
        return Box::new(Ours { region, reader, kind, rows, asleep });
    }
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2's node");
    let name = |end: &str| format!("corestate-bench{}/{end}", folder.display());
    let topic = |end: &str| {
        let name = name(end);
        let name = name.as_str().try_into().expect("a service name");
        node.service_builder(&name).publish_subscribe::<Payload>().open_or_create().expect("iceoryx2's service")
    };
    let bell = |end: &str| {
        let name = name(end);
        let name = name.as_str().try_into().expect("a service name");
        node.service_builder(&name).event().open_or_create().expect("iceoryx2's event service")
    };
    let publisher = topic(send).publisher_builder().create().expect("iceoryx2's publisher");
    let subscriber = topic(take).subscriber_builder().create().expect("iceoryx2's subscriber");
    let bells = asleep.then(|| {
        (
            bell(send).notifier_builder().create().expect("iceoryx2's notifier"),
            bell(take).listener_builder().create().expect("iceoryx2's listener"),
        )
    });
    Box::new(Iceoryx { publisher, subscriber, bells, _node: node })
}

pub fn run(report: &mut Report, folder: &Path) {
    if !report.wants("event_latency") {
        return;
    }
    for (waiting, asleep) in [("spinning", false), ("asleep", true)] {
        let trips = if asleep { 500 } else { 5000 };
        let work = |of: &str| {
            Work::ns(
                "event_latency",
                "an event of 40 bytes to another process and one back",
                json!({"waiting": waiting, "of": of}),
            )
        };
        let tails: Vec<(&'static str, Rc<RefCell<Vec<f64>>>)> =
            ["corestate", "iceoryx2", "floor"].map(|subject| (subject, Rc::default())).into();
        let mut entries: Vec<Entry> = Vec::new();
        for (subject, tail) in &tails {
            let tail = Rc::clone(tail);
            if *subject == "floor" {
                if let Some(mut bare) = bare(asleep, trips) {
                    let note = if asleep { "bare words and futex" } else { "bare words" };
                    entries.push(noted(subject, note, move || kept(bare(), &tail)));
                }
                continue;
            }
            let own = folder.join(format!("{waiting}-{subject}"));
            std::fs::create_dir_all(&own).expect("a folder");
            let mut side = open(subject, &own, true, asleep);
            let team = Team::start(&own, if asleep { "echo-asleep" } else { "echo" }, subject, 1);
            entries.push(entry(subject, move || kept(round_trips(&mut *side, &team, trips), &tail)));
        }
        report.contest(&work("median"), entries);
        let chance =
            "whoever wakes second on two busy processors waits for the scheduler; the difference is chance, as \
                      the floor beside it shows.";
        report.reason(&work("median"), chance);
        let ours: Vec<f64> = tails[0].1.borrow()[1..].to_vec();
        for (subject, tail) in &tails {
            let tail = tail.borrow();
            if tail.len() > 1 {
                let mut ratios: Vec<f64> = tail[1..].iter().zip(&ours).map(|(a, b)| a / b).collect();
                ratios.sort_by(f64::total_cmp);
                report.keep(&work("p99"), subject, "", &tail[1..], Some(ratios[ratios.len() / 2]));
            }
        }
        report.reason(&work("p99"), chance);
    }
}

/// Keeps the tail of a run, gives its median.
fn kept((median, p99): (f64, f64), tail: &RefCell<Vec<f64>>) -> f64 {
    tail.borrow_mut().push(p99);
    median
}

fn round_trips(side: &mut dyn Side, team: &Team, trips: usize) -> (f64, f64) {
    let mut times = vec![0.0; trips];
    stay_on(0);
    team.alongside(|| {
        for time in &mut times {
            let started = Instant::now();
            side.send();
            while !side.take() {}
            *time = started.elapsed().as_nanos() as f64;
        }
    });
    stay_anywhere();
    times.sort_by(f64::total_cmp);
    (times[trips / 2], times[trips * 99 / 100])
}

/// bench/c's exchange with nothing but words, as the floor: built by `bench/native/run`, which says where it is.
fn bare(asleep: bool, trips: usize) -> Option<impl FnMut() -> (f64, f64)> {
    let program = Path::new(&std::env::var_os("CORESTATE_BENCH_BIN")?).join("bench_pingpong");
    Some(move || {
        let mode = if asleep { "futex" } else { "spin" };
        let done = Command::new(&program).args([mode, &trips.to_string()]).output().expect("bench_pingpong");
        let found: serde_json::Value = serde_json::from_slice(&done.stdout).expect("what bench_pingpong prints");
        let number = |name: &str| found[name].as_f64().expect("a number of bench_pingpong's");
        (number("median_ns"), number("p99_ns"))
    })
}

/// The part of the other process: whatever comes goes back.
pub fn member(member: &Member, asleep: bool) {
    let mut side = open(&member.subject, &member.folder, false, asleep);
    stay_on(1);
    member.attend(|| {
        if side.take() {
            side.send();
        }
    });
}
