//! Read a record of 200 bytes while somebody writes it, and write it while somebody else is at it.
use crate::region::{as_details, config, must, Attached};
use crate::report::{entry, noted, Report, Work};
use crate::sys;
use crate::team::{beside, during, Member, Team};
use bytecheck::CheckBytes;
use dashmap::DashMap;
use iceoryx2::prelude::*;
use mmap_sync::synchronizer::Synchronizer;
use parking_lot::RwLock;
use rkyv::{Archive, Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

const BYTES: usize = 200;
type Bytes = [u8; BYTES];
const RECORD: Bytes = [7; BYTES];
const AGENT: &str = "agent_00000001-0000-4000-8000-000000000001";

#[derive(Archive, Deserialize, Serialize)]
#[archive_attr(derive(CheckBytes))]
struct Record {
    bytes: Bytes,
}

/// An agent's details, read as a whole; again when writers never paused.
fn get(region: &Attached, agent: sys::Handle) {
    let mut out: Bytes = [0; BYTES];
    let mut info = MaybeUninit::<sys::AgentInfo>::uninit();
    loop {
        let result =
            unsafe { sys::cs_agent_get(region.get(), agent, info.as_mut_ptr(), out.as_mut_ptr().cast(), BYTES as u32) };
        if result != sys::E_BUSY {
            must(result);
            break;
        }
    }
    black_box(out);
}

fn set(region: &Attached, agent: sys::Handle) {
    must(unsafe { sys::cs_agent_set_details(region.get(), agent, &as_details(black_box(&RECORD))) });
}

pub fn run(report: &mut Report, folder: &Path) {
    if report.wants("record") {
        of_threads(report, folder);
        of_processes(report, folder);
    }
}

fn of_threads(report: &mut Report, folder: &Path) {
    let slice = report.slice;
    let region = Attached::create(&folder.join("records"), &config(16, 256));
    let agent = region.register(AGENT, &RECORD);
    let map: DashMap<_, _> = DashMap::from_iter([(AGENT.to_string(), RECORD)]);
    let table = RwLock::new(HashMap::from([(AGENT.to_string(), RECORD)]));
    let dash_get = || {
        black_box(*map.get(AGENT).expect("it is there"));
    };
    let dash_set = || *map.get_mut(AGENT).expect("it is there") = black_box(RECORD);
    let table_get = || {
        black_box(table.read()[AGENT]);
    };
    let table_set = || *table.write().get_mut(AGENT).expect("it is there") = black_box(RECORD);
    let read = Work::ns(
        "record_read",
        "read a record of 200 bytes",
        json!({"bytes": BYTES, "beside": "a writer, another thread"}),
    );
    let entries = vec![
        entry("corestate", || beside(slice, || set(&region, agent), || get(&region, agent))),
        entry("dashmap", || beside(slice, dash_set, dash_get)),
        entry("parking_lot", || beside(slice, table_set, table_get)),
    ];
    report.contest(&read, entries);
    report.reason(&read, WHOLE);
    let write = Work::ns(
        "record_write",
        "write a record of 200 bytes",
        json!({"bytes": BYTES, "beside": "a writer, another thread"}),
    );
    let entries = vec![
        entry("corestate", || beside(slice, || set(&region, agent), || set(&region, agent))),
        entry("dashmap", || beside(slice, dash_set, dash_set)),
        entry("parking_lot", || beside(slice, table_set, table_set)),
    ];
    report.contest(&write, entries);
    report.reason(&write, CROWDED);
}

const WHOLE: &str = "corestate reads a whole agent: its id, type, status and times with the 200 bytes, checked to be of \
    one instant, 467 instructions of which the record is 190; its bytes are copied as atomic words, since anything else \
    beside a writer is a data race. The peers copy 200 bytes. mmap-sync's reader is hardly disturbed because its writer \
    waits for readers, as its own row shows; so does a map's lock.";
const CROWDED: &str =
    "a write claims the record, so that a writer's death shows, and commits it, and counts as a change of \
    the region with its time: three locked steps where the peers have one writer (iceoryx2) or one process (a map's \
    lock), and nobody's death to think of.";

/// Each opens one subject's record, to read or to write; what does it once.
fn open(subject: &str, folder: &Path, write: bool) -> Box<dyn FnMut()> {
    match subject {
        "corestate" => open_corestate(folder, write),
        "mmap-sync" => open_mmap_sync(folder, write),
        "iceoryx2" => open_iceoryx2(folder, write),
        _ => panic!("{subject} shares no records between processes"),
    }
}

fn open_corestate(folder: &Path, write: bool) -> Box<dyn FnMut()> {
    let path = folder.join("region");
    let region = if path.exists() {
        Attached::open(&path)
    } else {
        let made = Attached::create(&path, &config(16, 256));
        made.register(AGENT, &RECORD);
        made
    };
    let agent = region.find(AGENT);
    Box::new(move || if write { set(&region, agent) } else { get(&region, agent) })
}

fn open_mmap_sync(folder: &Path, write: bool) -> Box<dyn FnMut()> {
    let mut synced = Synchronizer::new(folder.join("synced").as_ref());
    let record = Record { bytes: RECORD };
    if write {
        synced.write(&record, Duration::from_secs(1)).expect("mmap-sync's first write");
    }
    Box::new(move || {
        if write {
            synced.write(black_box(&record), Duration::from_secs(1)).expect("mmap-sync's write");
        } else {
            black_box(unsafe { synced.read::<Record>(false) }.expect("mmap-sync's read").bytes);
        }
    })
}

fn open_iceoryx2(folder: &Path, write: bool) -> Box<dyn FnMut()> {
    let node = NodeBuilder::new().create::<ipc::Service>().expect("iceoryx2's node");
    let name = format!("corestate-bench{}", folder.display());
    let name = name.as_str().try_into().expect("a service name");
    let service = match node.service_builder(&name).blackboard_opener::<u32>().open() {
        Ok(service) => service,
        Err(_) => node
            .service_builder(&name)
            .blackboard_creator::<u32>()
            .add::<Bytes>(0, RECORD)
            .create()
            .expect("iceoryx2's blackboard"),
    };
    if write {
        let writer = service.writer_builder().create().expect("iceoryx2's writer");
        let board = writer.entry::<Bytes>(&0).expect("iceoryx2's entry");
        return Box::new(move || {
            let _kept = (&node, &service, &writer);
            board.update_with_copy(black_box(RECORD));
        });
    }
    let reader = service.reader_builder().create().expect("iceoryx2's reader");
    let board = reader.entry::<Bytes>(&0).expect("iceoryx2's entry");
    Box::new(move || {
        let _kept = (&node, &service, &reader);
        black_box(*board.get());
    })
}

fn of_processes(report: &mut Report, folder: &Path) {
    for write in [false, true] {
        let (key, what, role, other) = if write {
            ("record_write", "write a record of 200 bytes", "read", "a reader, another process")
        } else {
            ("record_read", "read a record of 200 bytes", "write", "a writer, another process")
        };
        let work = Work::ns(key, what, json!({"bytes": BYTES, "beside": other}));
        let slice = report.slice;
        let entries = ["corestate", "mmap-sync", "iceoryx2"].map(|subject| {
            let own = folder.join(format!("{role}-{subject}"));
            std::fs::create_dir_all(&own).expect("a folder");
            // Who writes opens first, for the sake of those with nothing to read before.
            let mut mine = write.then(|| open(subject, &own, write));
            let team = Team::start(&own, role, subject, 1);
            let mut mine = mine.take().unwrap_or_else(|| open(subject, &own, write));
            let note = match (subject, write) {
                ("mmap-sync", false) => "its writer waits for readers, so there is little beside it",
                ("mmap-sync", true) => {
                    "waits until no reader has the other copy, up to a second, as its example has it"
                }
                ("iceoryx2", _) => "one writer at a time",
                _ => "any process may write",
            };
            noted(subject, note, move || team.busy(|| during(slice, &mut mine)))
        });
        report.contest(&work, entries.into());
        report.reason(&work, if write { CROWDED } else { WHOLE });
    }
}

/// The part of one process: to do the other thing over and over.
pub fn member(member: &Member, write: bool) {
    let mut operation = open(&member.subject, &member.folder, write);
    member.repeat(&mut operation);
}
