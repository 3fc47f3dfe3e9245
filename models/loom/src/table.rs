//! `table.c`: lookups that take no lock, over slots that are used again.

use crate::broken;
use loom::sync::atomic::{fence, AtomicU64, Ordering::*};
use loom::sync::Arc;
use loom::thread;

/// Two slots and two buckets. Links are slot + 1, 0 none.
struct Table {
    change: AtomicU64,
    buckets: [AtomicU64; 2],
    slots: [Slot; 2],
}

struct Slot {
    generation: AtomicU64,
    next: AtomicU64,
    key: AtomicU64,
}

impl Table {
    /// Key 10 in slot 0 and key 11 in slot 1, both in bucket 0, whose chain begins with slot 1.
    fn new() -> Self {
        let slot = |next, key| Slot {
            generation: AtomicU64::new(1),
            next: AtomicU64::new(next),
            key: AtomicU64::new(key),
        };
        Table {
            change: AtomicU64::new(0),
            buckets: [AtomicU64::new(2), AtomicU64::new(0)],
            slots: [slot(0, 10), slot(1, 11)],
        }
    }

    /// `begin_change` and what follows it; the writer is alone, under the table's claim.
    fn begin_change(&self) {
        let order = if broken("table-without-fence") {
            Relaxed
        } else {
            SeqCst
        };
        self.change.swap(self.change.load(Relaxed) + 1, order);
        if !broken("table-without-fence") {
            fence(Release);
        }
    }

    fn end_change(&self) {
        self.change.store(self.change.load(Relaxed) + 1, Release);
    }

    /// `csi_table_remove` of slot 1, the first in bucket 0.
    fn remove_first(&self) {
        self.begin_change();
        self.slots[1].generation.store(2, Release);
        self.buckets[0].store(self.slots[1].next.load(Relaxed), Release);
        self.end_change();
    }

    /// `csi_table_insert` of a key into slot 1 and the given bucket.
    fn insert(&self, key: u64, bucket: usize) {
        self.begin_change();
        self.slots[1].key.store(key, Relaxed);
        self.slots[1]
            .next
            .store(self.buckets[bucket].load(Relaxed), Release);
        self.buckets[bucket].store(2, Release);
        let order = if broken("table-relaxed-generation") {
            Relaxed
        } else {
            Release
        };
        self.slots[1].generation.store(3, order);
        self.end_change();
    }

    /// One round of `csi_table_find`: Ok(slot and generation), Err(true) for a miss that is believed.
    fn find(&self, key: u64, bucket: usize) -> Result<(usize, u64), bool> {
        let change = self.change.load(Acquire);
        let mut link = self.buckets[bucket].load(Acquire);
        for _ in 0..2 {
            if link == 0 {
                break;
            }
            let at = link as usize - 1;
            let slot = &self.slots[at];
            let generation = slot.generation.load(Acquire);
            if generation & 1 == 1 && slot.key.load(Relaxed) == key {
                if !broken("table-reader-unfenced") {
                    fence(Acquire);
                }
                if slot.generation.load(Relaxed) == generation || broken("table-one-look") {
                    return Ok((at, generation));
                }
            }
            link = slot.next.load(Acquire);
        }
        if !broken("table-reader-unfenced") {
            fence(Acquire);
        }
        Err(self.change.load(Relaxed) == change)
    }
}

fn changing(table: &Arc<Table>, key: u64, bucket: usize) -> thread::JoinHandle<()> {
    let table = table.clone();
    thread::spawn(move || {
        table.remove_first();
        table.insert(key, bucket);
    })
}

/// A slot is found under the key that it has in that generation: the one moving in,
#[test]
fn a_new_key_is_found_in_its_own_generation() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let writer = changing(&table, 12, 0);
        if let Ok(found) = table.find(12, 0) {
            assert_eq!(found, (1, 3));
        }
        writer.join().unwrap();
    });
}

/// and the one moving out.
#[test]
fn an_old_key_is_found_in_its_own_generation() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let writer = changing(&table, 12, 0);
        if let Ok(found) = table.find(11, 0) {
            assert_eq!(found, (1, 1));
        }
        writer.join().unwrap();
    });
}

/// A key that is there all the time is not missed by a reader whom the chain leads astray.
#[test]
fn a_miss_is_believed_only_of_a_table_that_stood_still() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let writer = changing(&table, 12, 1);
        match table.find(10, 0) {
            Ok(found) => assert_eq!(found, (0, 1)),
            Err(believed) => assert!(!believed, "a key that was there all the time is missed"),
        }
        writer.join().unwrap();
    });
}
