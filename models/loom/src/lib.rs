//! What C11's memory orders allow the core's algorithms to do, run to exhaustion under loom.
//!
//! Each module restates one file of `csrc/src` with the same words, the same steps and the same orders; its tests are
//! the smallest situations in which the order of two of those steps matters. An emulator on x86-64 cannot show these,
//! because the processor under it does not reorder what arm64 may.
//!
//! Loom gives sequentially consistent accesses acquire and release, no more, so what is proved here does not lean on
//! the one total order; the bell (`bell.h`), which does, is argued for where it stands.

//!
//! To choose what to try next, loom remembers of each word the last access alone. A load with which a thread begins a
//! compare-and-swap of its own would hide another thread's load before it, so such loads are written as [`glance`].

#![cfg(test)]

use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

/// Each algorithm is also run with one of its orders weakened or one of its steps changed, which its tests must find out.
#[rustfmt::skip]
const WAYS_TO_BREAK: [&str; 13] = [
    "record-without-fence",     // the claim of a record is not fenced off from what is written under it
    "record-reader-unfenced",   // a reader's copy may come after his second look
    "record-relaxed-commit",    // the new version does not release the buffer
    "ring-without-fence",       // the claim of a slot is not fenced off from the event written under it
    "ring-reader-unfenced",     // a reader's copy may come after his second look
    "ring-relaxed-commit",      // the commit does not release the event
    "ring-takes-the-living",    // a slot is taken from a producer that stands still
    "lock-relaxed-release",     // the release does not release what the lock guards
    "lock-release-by-store",    // the release overwrites a waiter's mark
    "table-without-fence",      // a change is not fenced off from the slot's new content
    "table-relaxed-generation", // the generation does not release the slot's content
    "table-reader-unfenced",    // a reader's second looks may come before his first
    "table-one-look",           // a reader does not look at the generation again
];

/// Whether this run is to be broken this way: LOOM_BROKEN names it.
fn broken(way: &str) -> bool {
    static CHOSEN: OnceLock<String> = OnceLock::new();
    assert!(WAYS_TO_BREAK.contains(&way), "{way} is not listed");
    let chosen = CHOSEN.get_or_init(|| std::env::var("LOOM_BROKEN").unwrap_or_default());
    assert!(
        chosen.is_empty() || WAYS_TO_BREAK.contains(&chosen.as_str()),
        "LOOM_BROKEN={chosen} is not listed"
    );
    chosen == way
}

/// The load before a compare-and-swap: adds nothing, and so is a write to loom. What a mere load might have returned
/// instead, an older value, only makes the compare-and-swap fail.
fn glance(word: &AtomicU64) -> u64 {
    word.fetch_add(0, Ordering::Acquire)
}

mod lock;
mod record;
mod ring;
mod table;
