//! `ring.c`: a position is taken on its slot's own word; readers copy and look again.

use crate::{broken, glance};
use loom::sync::atomic::{fence, AtomicU64, Ordering::*};
use loom::sync::Arc;
use loom::thread;

const CLAIMED: u64 = 1;
const COMMITTED: u64 = 2;
const HOLE: u64 = 3;

fn word(lap: u64, owner: u64, state: u64) -> u64 {
    lap << 8 | owner << 2 | state
}
fn lap_of(word: u64) -> u64 {
    word >> 8
}
fn owner_in(word: u64) -> u64 {
    word >> 2 & 0x3F
}
fn state_in(word: u64) -> u64 {
    word & 3
}

#[derive(Debug, PartialEq)]
enum Look {
    Nothing,
    Event([u64; 2]),
    Hole,
    Lost,
    Unfinished,
    Again,
}

/// One slot, so that every position overruns the one before it.
struct Ring {
    head: AtomicU64,
    word: AtomicU64,
    data: [AtomicU64; 2],
}

impl Ring {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Ring {
            head: zero(),
            word: zero(),
            data: [zero(), zero()],
        }
    }

    /// `take_position`, for producers who all live; None after a few rounds that were others' successes.
    fn take_position(&self, me: u64) -> Option<u64> {
        for _ in 0..3 {
            let head = glance(&self.head);
            let lap = head + 1;
            let found = glance(&self.word);
            if lap_of(found) >= lap {
                let _ = self.head.compare_exchange(head, head + 1, SeqCst, Acquire);
                continue;
            }
            let unfinished =
                state_in(found) == CLAIMED || (state_in(found) == HOLE && owner_in(found) != 0);
            let passed = unfinished && !broken("ring-takes-the-living");
            let taken = if passed {
                word(lap, owner_in(found), HOLE)
            } else {
                word(lap, me, CLAIMED)
            };
            if self
                .word
                .compare_exchange(found, taken, SeqCst, Acquire)
                .is_err()
            {
                continue;
            }
            let _ = self.head.compare_exchange(head, head + 1, SeqCst, Acquire);
            if !passed {
                return Some(head);
            }
        }
        None
    }

    /// `csi_publish`, once: the position told, or None when it was passed over.
    fn publish(&self, me: u64) -> Option<u64> {
        let position = self.take_position(me)?;
        if !broken("ring-without-fence") {
            fence(Release);
        }
        for data in &self.data {
            data.store(me << 8 | position, Relaxed);
        }
        let (claimed, committed) = (
            word(position + 1, me, CLAIMED),
            word(position + 1, me, COMMITTED),
        );
        let order = if broken("ring-relaxed-commit") {
            Relaxed
        } else {
            SeqCst
        };
        if self
            .word
            .compare_exchange(claimed, committed, order, Relaxed)
            .is_ok()
        {
            return Some(position);
        }
        let found = glance(&self.word); /* csi_ring_give_back */
        if state_in(found) == HOLE && owner_in(found) == me {
            let _ =
                self.word
                    .compare_exchange(found, word(lap_of(found), 0, HOLE), SeqCst, Acquire);
        }
        None
    }

    /// `look`, and for an event its copy and `csi_ring_stood`.
    fn look(&self, position: u64) -> Look {
        let head = self.head.load(Acquire);
        let found = self.word.load(Acquire);
        let lap = position + 1;
        if lap_of(found) > lap {
            return Look::Lost;
        }
        if lap_of(found) < lap {
            assert!(head <= position, "what is below the head has been taken");
            return Look::Nothing;
        }
        match state_in(found) {
            COMMITTED => {
                let copy = [self.data[0].load(Relaxed), self.data[1].load(Relaxed)];
                if !broken("ring-reader-unfenced") {
                    fence(Acquire);
                }
                if self.word.load(Relaxed) == found {
                    Look::Event(copy)
                } else {
                    Look::Again
                }
            }
            CLAIMED => Look::Unfinished,
            _ => Look::Hole,
        }
    }

    /// `pass_over` of a producer that stands still.
    fn pass_over(&self) {
        let found = glance(&self.word);
        if state_in(found) == CLAIMED {
            let hole = word(lap_of(found), owner_in(found), HOLE);
            let _ = self.word.compare_exchange(found, hole, SeqCst, Acquire);
        }
    }
}

fn publisher(ring: &Arc<Ring>, me: u64, events: u32) -> thread::JoinHandle<Vec<u64>> {
    let ring = ring.clone();
    thread::spawn(move || (0..events).filter_map(|_| ring.publish(me)).collect())
}

fn whole(copy: [u64; 2], position: u64) {
    assert_eq!(copy[0], copy[1], "half of one event and half of another");
    assert_eq!(copy[0] & 0xFF, position, "another position's event");
}

/// A reader who is overrun while he copies notices.
#[test]
fn what_is_read_is_one_event() {
    loom::model(|| {
        let ring = Arc::new(Ring::new());
        let producer = publisher(&ring, 1, 2);
        if let Look::Event(copy) = ring.look(0) {
            whole(copy, 0);
        }
        producer.join().unwrap();
        match ring.look(1) {
            Look::Event(copy) => whole(copy, 1),
            found => panic!("{found:?} where an event was told"),
        }
    });
}

/// Two producers on one slot: each position has one event or none, and what was told is what is there.
#[test]
fn producers_share_a_slot() {
    loom::model(|| {
        let ring = Arc::new(Ring::new());
        let one = publisher(&ring, 1, 1);
        let two = publisher(&ring, 2, 1);
        let (one, two) = (one.join().unwrap(), two.join().unwrap());
        assert!(one != two || one.is_empty());
        let last = ring.head.load(Acquire) - 1;
        let told = one.contains(&last) || two.contains(&last);
        match ring.look(last) {
            Look::Event(copy) => {
                whole(copy, last);
                assert!(told);
            }
            found => assert!(!told, "{found:?} where an event was told"),
        }
    });
}

/// A producer passed over while it stood still knows it, and one who was not is read.
#[test]
fn passed_over_or_told() {
    loom::model(|| {
        let ring = Arc::new(Ring::new());
        let producer = publisher(&ring, 1, 1);
        ring.pass_over();
        let told = producer.join().unwrap();
        match ring.look(0) {
            Look::Event(copy) => {
                whole(copy, 0);
                assert_eq!(told, [0]);
            }
            found => assert!(found == Look::Hole && told.is_empty()),
        }
    });
}
