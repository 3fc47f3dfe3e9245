//! Read a number; increment it, from threads and from processes.
use crate::region::{config, must, Attached};
use crate::report::{entry, noted, Report, Work};
use crate::sys;
use crate::team::{crowd, Member, Team, OWN};
use dashmap::DashMap;
use feagi_state_manager::MemoryMappedState;
use iceoryx2::prelude::*;
use mmap_sync::synchronizer::Synchronizer;
use parking_lot::RwLock;
use serde_json::json;
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

const NAME: &str = "spikes";

/// A map from names to atomic numbers, looked up for each use, which is how one shares such a map.
type Locked = RwLock<HashMap<String, AtomicU64>>;

fn locked() -> Locked {
    RwLock::new(HashMap::from([(NAME.to_string(), AtomicU64::new(0))]))
}

fn added(region: &Attached, handle: sys::Handle) {
    let mut value = 0;
    must(unsafe { sys::cs_counter_add(region.get(), handle, 1, &mut value) });
    black_box(value);
}

pub fn run(report: &mut Report, folder: &Path) {
    let region = Attached::create(&folder.join("numbers"), &config(16, 256));
    if report.wants("counter_read") {
        read(report, folder, &region);
    }
    if report.wants("counter_add") {
        add_from_threads(report, &region);
        drop(region);
        add_from_processes(report, folder);
    }
}

fn read(report: &mut Report, folder: &Path, region: &Attached) {
    let engine = Work::ns("counter_read", "read a number", json!({"of": "the engine's state"}));
    let word = AtomicU64::new(7);
    let feagi = MemoryMappedState::new();
    let mut synced = Synchronizer::new(folder.join("number").as_ref());
    synced.write(&7u64, Duration::from_secs(1)).expect("mmap-sync's write");
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2's node");
    let name = format!("corestate-bench/{}/number", std::process::id());
    let service = node
        .service_builder(&name.as_str().try_into().expect("a service name"))
        .blackboard_creator::<u32>()
        .add::<u64>(0, 7)
        .create()
        .expect("iceoryx2's blackboard");
    let reader = service.reader_builder().create().expect("iceoryx2's reader");
    let board = reader.entry::<u64>(&0).expect("iceoryx2's entry");
    let entries = vec![
        entry(
            "corestate",
            report.timed(|| {
                black_box(unsafe { sys::cs_engine_get(region.get(), sys::NEURON_COUNT) });
            }),
        ),
        noted(
            "floor",
            "a load",
            report.timed(|| {
                black_box(black_box(&word).load(Relaxed));
            }),
        ),
        entry(
            "feagi-state-manager",
            report.timed(|| {
                black_box(black_box(&feagi).get_neuron_count());
            }),
        ),
        entry(
            "mmap-sync",
            report.timed(|| {
                black_box(*unsafe { synced.read::<u64>(false) }.expect("mmap-sync's read"));
            }),
        ),
        entry(
            "iceoryx2",
            report.timed(|| {
                black_box(*board.get());
            }),
        ),
    ];
    report.contest(&engine, entries);
    report.reason(
        &engine,
        "a call into the library, which checks the number's index; feagi-state-manager's getter is a load at a known \
         offset, inlined by its compiler. Who wants just that takes the cell's address once (cs_hot_cell_of).",
    );

    let named = Work::ns("counter_read", "read a number", json!({"of": "a name"}));
    let handle = region.counter(NAME);
    let map: DashMap<_, _> = DashMap::from_iter([(NAME.to_string(), AtomicU64::new(0))]);
    let table = locked();
    let entries = vec![
        noted(
            "corestate",
            "by handle, looked up once; checked at each use",
            report.timed(|| {
                let mut value = 0;
                must(unsafe { sys::cs_counter_get(region.get(), handle, &mut value) });
                black_box(value);
            }),
        ),
        entry(
            "dashmap",
            report.timed(|| {
                black_box(map.get(NAME).expect("it is there").load(Relaxed));
            }),
        ),
        entry(
            "parking_lot",
            report.timed(|| {
                black_box(table.read()[NAME].load(Relaxed));
            }),
        ),
    ];
    report.contest(&named, entries);
}

fn add_from_threads(report: &mut Report, region: &Attached) {
    let handle = region.counter(NAME);
    let map: DashMap<_, _> = DashMap::from_iter([(NAME.to_string(), AtomicU64::new(0))]);
    let table = locked();
    let word = AtomicU64::new(0);
    for threads in [1usize, 2, 4, 8] {
        let work = Work::ns("counter_add", "increment a number", json!({"of": "a name", "threads": threads}));
        let count = (report.slice.as_nanos() as u64 / 20).max(1000) / threads as u64;
        let entries = vec![
            noted("corestate", "wakes who waits for the number", move || {
                crowd(threads, count, || added(region, handle))
            }),
            noted("floor", "a locked addition", || {
                crowd(threads, count, || {
                    black_box(word.fetch_add(1, SeqCst));
                })
            }),
            entry("dashmap", || {
                crowd(threads, count, || {
                    black_box(map.get(NAME).expect("it is there").fetch_add(1, SeqCst));
                })
            }),
            entry("parking_lot", || {
                crowd(threads, count, || {
                    black_box(table.read()[NAME].fetch_add(1, SeqCst));
                })
            }),
        ];
        report.contest(&work, entries);
    }
    let work = Work::ns("counter_add", "increment a number", json!({"of": "the engine's state", "threads": 1}));
    let feagi = MemoryMappedState::new();
    let entries = vec![
        noted(
            "corestate",
            "with version and time",
            report.timed(|| {
                let mut value = 0;
                must(unsafe { sys::cs_engine_add(region.get(), sys::NEURON_COUNT, 1, &mut value) });
                black_box(value);
            }),
        ),
        noted(
            "feagi-state-manager",
            "with version and time",
            report.timed(|| {
                black_box(black_box(&feagi).add_neuron_count(1));
            }),
        ),
    ];
    report.contest(&work, entries);
}

fn add_from_processes(report: &mut Report, folder: &Path) {
    for processes in [1usize, 2, 4, 8] {
        let work = Work::ns("counter_add", "increment a number", json!({"of": "a name", "processes": processes}));
        let count = (report.slice.as_nanos() as u64 / 20).max(1000) / processes as u64;
        let mut teams: Vec<(&str, Team)> = ["corestate", "floor"]
            .map(|subject| {
                let own = folder.join(subject);
                std::fs::create_dir_all(&own).expect("a folder");
                let region = own.join("region");
                let _ = std::fs::remove_file(&region);
                drop(Attached::create(&region, &config(16, 256)));
                (subject, Team::start(&own, "add", subject, processes))
            })
            .into();
        let entries = teams
            .iter_mut()
            .map(|(subject, team)| {
                noted(subject, if *subject == "floor" { "a locked addition in shared memory" } else { "" }, move || {
                    team.round(count).as_nanos() as f64 / (count * processes as u64) as f64
                })
            })
            .collect();
        report.contest(&work, entries);
    }
}

/// The part of one process.
pub fn member(member: &Member) {
    if member.subject == "floor" {
        return member.serve(|count| {
            for _ in 0..count {
                black_box(member.shared.word(OWN).fetch_add(1, SeqCst));
            }
        });
    }
    let region = Attached::open(&member.folder.join("region"));
    let handle = region.counter(NAME);
    member.serve(|count| {
        for _ in 0..count {
            added(&region, handle);
        }
    });
}
