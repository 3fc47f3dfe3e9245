//! The few declarations of the core's public header that the works use, kept by hand; `check` holds the sizes together.
use std::os::raw::{c_char, c_int, c_void};

pub type Handle = u64;

pub const NUL_ENDED: u32 = 0xFFFF_FFFF;
pub const FOREVER: u64 = u64::MAX;
pub const NEURON_COUNT: u32 = 3;
pub const SECTION_LOCKS: u32 = 6;
pub const FORMAT_BYTES: u32 = 1;
pub const ZEROED: u32 = 1;
pub const SENSORY: u32 = 0;
pub const E_BUSY: c_int = -11;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Config {
    pub agents: u32,
    pub areas: u32,
    pub counters: u32,
    pub gauges: u32,
    pub locks: u32,
    pub events: u32,
    pub event_bytes: u32,
    pub event_kinds: u32,
    pub participants: u32,
    pub agent_details_bytes: u32,
    pub key_bytes: u32,
    pub line_bytes: u32,
    pub fcl_window: u32,
    pub budgets: u32,
    pub reservations: u32,
    pub values: u32,
    pub value_bytes: u32,
}

#[repr(C)]
pub struct Region {
    private: [u64; 72],
}

impl Region {
    pub fn empty() -> Region {
        Region { private: [0; 72] }
    }
}

#[repr(C)]
pub struct Details {
    pub capabilities: *const c_void,
    pub transport: *const c_void,
    pub metadata: *const c_void,
    pub capabilities_length: u32,
    pub transport_length: u32,
    pub metadata_length: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct AgentInfo {
    pub handle: Handle,
    pub registered_ns: u64,
    pub last_seen_ns: u64,
    pub changes: u64,
    pub details_version: u64,
    pub kind: u32,
    pub status: u32,
    pub participant: u32,
    pub id_length: u32,
    pub capabilities_length: u32,
    pub transport_length: u32,
    pub metadata_length: u32,
    pub reserved: u32,
    pub id: [u8; 64],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct AgentRow {
    pub handle: Handle,
    pub registered_ns: u64,
    pub last_seen_ns: u64,
    pub kind: u32,
    pub status: u32,
    pub participant: u32,
    pub id_length: u32,
    pub id: [u8; 64],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    pub sequence: u64,
    pub time_ns: u64,
    pub kind: u32,
    pub source: u32,
    pub format: u32,
    pub length: u32,
}

#[repr(C)]
pub struct Subscription {
    pub next: u64,
    pub lost: u64,
    pub lost_from: u64,
    pub lost_to: u64,
    pub holes: u64,
    pub stalled_ns: u64,
    pub kinds: *const u32,
    pub kind_bits: u32,
    pub reserved: u32,
}

extern "C" {
    pub fn cs_strerror(code: c_int) -> *const c_char;
    pub fn cs_config_default(config: *mut Config);
    pub fn cs_region_size(config: *const Config) -> u64;
    pub fn cs_region_format(memory: *mut c_void, size: u64, config: *const Config, flags: u32) -> c_int;
    pub fn cs_region_attach(region: *mut Region, memory: *mut c_void, size: u64, flags: u32, handle: i64) -> c_int;
    pub fn cs_region_detach(region: *mut Region);
    pub fn cs_engine_get(region: *const Region, field: u32) -> u64;
    pub fn cs_engine_add(region: *mut Region, field: u32, n: i64, value: *mut u64) -> c_int;
    pub fn cs_counter_open(region: *mut Region, name: *const c_char, length: u32, handle: *mut Handle) -> c_int;
    pub fn cs_counter_get(region: *const Region, handle: Handle, value: *mut u64) -> c_int;
    pub fn cs_counter_add(region: *mut Region, handle: Handle, n: i64, value: *mut u64) -> c_int;
    pub fn cs_agent_register(
        region: *mut Region,
        id: *const c_char,
        length: u32,
        kind: u32,
        details: *const Details,
        handle: *mut Handle,
    ) -> c_int;
    pub fn cs_agent_deregister(region: *mut Region, handle: Handle, reason: u32) -> c_int;
    pub fn cs_agent_find(region: *const Region, id: *const c_char, length: u32, handle: *mut Handle) -> c_int;
    pub fn cs_agent_get(
        region: *const Region,
        handle: Handle,
        info: *mut AgentInfo,
        details: *mut c_void,
        capacity: u32,
    ) -> c_int;
    pub fn cs_agent_set_details(region: *mut Region, handle: Handle, details: *const Details) -> c_int;
    pub fn cs_agents_export(region: *const Region, rows: *mut AgentRow, capacity: u32, count: *mut u32) -> c_int;
    pub fn cs_lock_open(region: *mut Region, name: *const c_char, length: u32, handle: *mut Handle) -> c_int;
    pub fn cs_lock_acquire(region: *mut Region, table: u32, handle: Handle, timeout_ns: u64) -> c_int;
    pub fn cs_lock_release(region: *mut Region, table: u32, handle: Handle) -> c_int;
    pub fn cs_kind_open(region: *mut Region, name: *const c_char, length: u32, kind: *mut u32) -> c_int;
    pub fn cs_event_publish(
        region: *mut Region,
        kind: u32,
        format: u32,
        data: *const c_void,
        length: u32,
        sequence: *mut u64,
    ) -> c_int;
    pub fn cs_subscribe(region: *const Region, subscription: *mut Subscription, since: u64) -> c_int;
    pub fn cs_events_drain(
        region: *mut Region,
        subscription: *mut Subscription,
        rows: *mut c_void,
        row_bytes: u32,
        capacity: u32,
        count: *mut u32,
    ) -> c_int;
    pub fn cs_events_wait(region: *mut Region, subscription: *mut Subscription, timeout_ns: u64) -> c_int;
}
