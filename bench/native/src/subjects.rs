//! Who is measured, in which version, set up by which advice; and who is not, and why.
use serde_json::{json, Value};

const SUBJECTS: &[(&str, &str, &str)] = &[
    ("corestate", "0.1.0", "the static library, built by its own CMake project; a region file in /dev/shm where processes share it"),
    ("floor", "", "what nature asks for: the bare atomic operation, or bench/c's bare words and futex"),
    ("feagi-state-manager", "0.0.53", "StateManager's parts as its documentation shows them: core state, AgentRegistry, CorticalLockManager"),
    ("iron_runtime_state", "0.3.0", "StateManager::new(), kept in memory, its default"),
    ("dashmap", "6.1.0", "DashMap<String, Agent> with its default hasher"),
    ("parking_lot", "0.12.5", "RwLock<HashMap<String, Agent>> with the standard hasher; Mutex for locks"),
    ("mmap-sync", "2.0.4", "Synchronizer::new on /dev/shm, reads unchecked (read(false)), as its examples do"),
    ("iceoryx2", "0.10.0", "ipc services with their defaults; blackboard for state, publish-subscribe for events, with an event service where receivers sleep"),
    ("pthread mutex", "glibc", "process-shared and robust, which is the C library's word for surviving its holder"),
];

const MISSING: &[(&str, &str)] = &[
    ("feagi-state-manager", "its state lives in one process (its MemoryMappedState is not mapped); no records, no events to subscribe to, and its locks only try"),
    ("iron_runtime_state", "an agent's state is saved and read; it has no removal, counters, events or locks, and lives in one process"),
    ("dashmap", "a map inside one process: no processes, events or locks"),
    ("parking_lot", "inside one process: no processes, no events"),
    ("mmap-sync", "one value with one writer: nothing to increment from several, no table, no events, no locks"),
    ("iceoryx2", "a blackboard entry has one writer, so nothing to increment from several; no table of agents, no locks"),
];

pub fn version(subject: &str) -> &'static str {
    SUBJECTS
        .iter()
        .find(|(name, _, _)| *name == subject)
        .unwrap_or_else(|| panic!("{subject} is not in the list of subjects"))
        .1
}

pub fn subjects() -> Value {
    SUBJECTS.iter().map(|(name, version, setup)| json!({"name": name, "version": version, "setup": setup})).collect()
}

pub fn missing() -> Value {
    MISSING.iter().map(|(name, why)| json!({"name": name, "why": why})).collect()
}
