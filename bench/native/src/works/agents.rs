//! Look up an agent among many, register and deregister one, list all, and what one takes in memory.
use crate::region::{config, must, Attached};
use crate::report::{entry, noted, Entry, Report, Work};
use crate::sys;
use dashmap::DashMap;
use feagi_state_manager::{AgentInfo, AgentRegistry, AgentType};
use iron_runtime_state::{AgentState, AgentStatus, StateManager};
use iron_types::AgentId;
use parking_lot::RwLock;
use serde_json::json;
use std::collections::HashMap;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the maps keep of an agent: as much as the core does without details.
#[derive(Clone, Copy)]
struct Agent {
    kind: u32,
    status: u32,
    registered_ns: u64,
    last_seen_ns: u64,
}

fn agent() -> Agent {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64;
    Agent { kind: 0, status: 1, registered_ns: now, last_seen_ns: now }
}

/// Ids as iron_runtime_state wants them, so that all have the same: 42 bytes.
fn id(index: usize) -> String {
    let mixed = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("agent_{:08x}-0000-4000-8000-{index:012x}", mixed >> 32)
}

struct Registries {
    ids: Vec<String>,
    region: Attached,
    map: DashMap<String, Agent>,
    table: RwLock<HashMap<String, Agent>>,
    feagi: AgentRegistry,
    iron: StateManager,
    /// Bytes an agent, in the order above.
    bytes: [f64; 5],
}

fn used() -> usize {
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// What something made of `count` takes on the heap, a part of it.
fn measured<T>(count: usize, make: impl FnOnce() -> T) -> (T, f64) {
    let before = used();
    let made = make();
    (made, used().saturating_sub(before) as f64 / count as f64)
}

fn saved(iron: &StateManager, id: &str) {
    let agent_id = AgentId::parse(id).expect("an id of the right form");
    iron.save_agent_state(AgentState { agent_id, status: AgentStatus::Running, budget_spent: 0.0, pii_detections: 0 });
}

impl Registries {
    fn of(count: usize, folder: &Path) -> Registries {
        let ids: Vec<String> = (0..count).map(id).collect();
        let layout = config(count as u32 + 64, 0);
        let region = Attached::create(&folder.join(format!("agents-{count}")), &layout);
        for one in &ids {
            region.register(one, &[]);
        }
        let none = config(0, 0);
        let ours = unsafe { sys::cs_region_size(&layout) - sys::cs_region_size(&none) } as f64 / (count + 64) as f64;
        let (map, dash) = measured(count, || ids.iter().map(|one| (one.clone(), agent())).collect());
        let (table, locked) = measured(count, || {
            let mut table = HashMap::new();
            for one in &ids {
                table.insert(one.clone(), agent());
            }
            RwLock::new(table)
        });
        let (feagi, feagi_bytes) = measured(count, || {
            let registry = AgentRegistry::new();
            for one in &ids {
                registry.register(AgentInfo::new(one.clone(), AgentType::Sensory)).expect("a new agent");
            }
            registry
        });
        let (iron, iron_bytes) = measured(count, || {
            let manager = StateManager::new();
            for one in &ids {
                saved(&manager, one);
            }
            manager
        });
        Registries { ids, region, map, table, feagi, iron, bytes: [ours, dash, locked, feagi_bytes, iron_bytes] }
    }

    /// An operation on one id after the other, in an order that no processor foresees.
    fn each<'a>(&'a self, operation: impl Fn(&'a str) + 'a) -> impl FnMut() + 'a {
        let mut at = 1usize;
        move || {
            at = (at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
                & (usize::MAX >> 1);
            operation(&self.ids[(at >> 20) % self.ids.len()]);
        }
    }
}

fn looked_up(region: &Attached, id: &str) {
    let handle = region.find(id);
    let mut info = MaybeUninit::<sys::AgentInfo>::uninit();
    must(unsafe { sys::cs_agent_get(region.get(), handle, info.as_mut_ptr(), std::ptr::null_mut(), 0) });
    black_box(unsafe { info.assume_init_ref() }.status);
}

pub fn run(report: &mut Report, folder: &Path) {
    if !["lookup", "register", "list", "memory"].iter().any(|key| report.wants(key)) {
        return;
    }
    for count in [1_000usize, 1_000_000] {
        let all = Registries::of(count, folder);
        look_up(report, &all);
        if count == 1_000 {
            register(report, &all);
            list(report, &all);
        } else {
            memory(report, &all);
        }
    }
}

fn look_up(report: &mut Report, all: &Registries) {
    let work = Work::ns("lookup", "look up an agent by its id and read it", json!({"agents": all.ids.len()}));
    let copied = "a copy of the agent, with its strings";
    let entries: Vec<Entry> = vec![
        noted("corestate", "found, then read as a whole of one instant", {
            report.timed(all.each(|id| looked_up(&all.region, id)))
        }),
        entry(
            "dashmap",
            report.timed(all.each(|id| {
                let found = all.map.get(id).expect("it is there");
                black_box((found.kind, found.status));
            })),
        ),
        entry(
            "parking_lot",
            report.timed(all.each(|id| {
                let table = all.table.read();
                let found = &table[id];
                black_box((found.kind, found.status));
            })),
        ),
        noted(
            "feagi-state-manager",
            copied,
            report.timed(all.each(|id| {
                black_box(all.feagi.get(id).expect("it is there").last_seen);
            })),
        ),
        noted(
            "iron_runtime_state",
            copied,
            report.timed(all.each(|id| {
                black_box(all.iron.get_agent_state(id).expect("it is there").pii_detections);
            })),
        ),
    ];
    report.contest(&work, entries);
    report.reason(
        &work,
        "a lookup in the region gives the whole agent, copied and checked to be of one instant although other processes \
         write it meanwhile; a map gives one field under a lock of its own process, and whoever dies holding it holds it \
         for ever. Among a million each of them waits for memory: the region's buckets hold one slot each on average, so \
         that every other lookup looks at two slots, and a key lies one line behind its slot's head.",
    );
}

fn register(report: &mut Report, all: &Registries) {
    let work =
        Work::ns("register", "register an agent and deregister it, among 1,000", json!({"agents": all.ids.len()}));
    let newcomer = id(5_000_000);
    let entries = vec![
        noted(
            "corestate",
            "both with an event, and safe from a kill at any instruction",
            report.timed(|| {
                let handle = all.region.register(&newcomer, &[]);
                must(unsafe { sys::cs_agent_deregister(all.region.get(), handle, 0) });
            }),
        ),
        entry(
            "dashmap",
            report.timed(|| {
                all.map.insert(newcomer.clone(), agent());
                black_box(all.map.remove(&newcomer).expect("it is there").1.registered_ns);
            }),
        ),
        entry(
            "parking_lot",
            report.timed(|| {
                all.table.write().insert(newcomer.clone(), agent());
                black_box(all.table.write().remove(&newcomer).expect("it is there").last_seen_ns);
            }),
        ),
        entry(
            "feagi-state-manager",
            report.timed(|| {
                all.feagi.register(AgentInfo::new(newcomer.clone(), AgentType::Sensory)).expect("a new agent");
                all.feagi.deregister(&newcomer).expect("it is there");
            }),
        ),
    ];
    report.contest(&work, entries);
    report.reason(
        &work,
        "each half is also an event with its time, told exactly once even when the process is killed in between, and \
         visible to every process: two claims, two positions in the ring, four reads of a clock. The maps do none of it.",
    );
}

fn list(report: &mut Report, all: &Registries) {
    let count = all.ids.len();
    let work = Work::ns("list", "list every agent, for each of 1,000", json!({"agents": count}));
    let mut rows = vec![unsafe { std::mem::zeroed::<sys::AgentRow>() }; count];
    let each = |time: f64| time / count as f64;
    let mut ours = report.timed(|| {
        let mut found = 0;
        must(unsafe { sys::cs_agents_export(all.region.get(), rows.as_mut_ptr(), count as u32, &mut found) });
        assert_eq!(found as usize, count);
    });
    let mut dash = report.timed(|| {
        black_box(all.map.iter().map(|one| (one.key().clone(), *one.value())).collect::<Vec<_>>());
    });
    let mut locked = report.timed(|| {
        black_box(all.table.read().iter().map(|(id, agent)| (id.clone(), *agent)).collect::<Vec<_>>());
    });
    let mut feagi = report.timed(|| {
        black_box(all.feagi.get_all());
    });
    let mut iron = report.timed(|| {
        black_box(all.iron.list_agents());
    });
    let entries = vec![
        entry("corestate", move || each(ours())),
        entry("dashmap", move || each(dash())),
        entry("parking_lot", move || each(locked())),
        entry("feagi-state-manager", move || each(feagi())),
        noted("iron_runtime_state", "the ids alone", move || each(iron())),
    ];
    report.contest(&work, entries);
}

fn memory(report: &mut Report, all: &Registries) {
    let work = Work {
        key: "memory",
        what: "memory of an agent with an id of 42 bytes and no details",
        parameters: json!({"agents": all.ids.len()}),
        unit: "bytes",
        better: "less",
    };
    let names = ["corestate", "dashmap", "parking_lot", "feagi-state-manager", "iron_runtime_state"];
    for (name, bytes) in names.into_iter().zip(all.bytes) {
        let note = if name == "corestate" {
            "the region's, whatever the id's length"
        } else {
            "the heap's, with the table's spare room"
        };
        report.keep(&work, name, note, &[bytes], Some(bytes / all.bytes[0]));
    }
    report.reason(&work, "every slot has room for the longest id, since a region has no heap.");
}
