//! `claim.c`: an owner-tagged word; what it guards is plain memory, which loom watches.

use crate::{broken, glance};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering::*};
use loom::sync::Arc;
use loom::thread;

const WAITERS: u64 = 1 << 31;
const OWNER: u64 = 0xFF;

struct Guarded {
    word: AtomicU64,
    wakes: AtomicU64,
    inside: UnsafeCell<u64>,
}

// Safe because `inside` is touched by the word's owner alone; that is what is tested.
unsafe impl Sync for Guarded {}
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Self {
        Guarded {
            word: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
            inside: UnsafeCell::new(0),
        }
    }

    /// `csi_claim_try`.
    fn take(&self, me: u64) -> bool {
        self.word.compare_exchange(0, me, SeqCst, Acquire).is_ok()
    }

    /// What a waiter does before it sleeps: true when a release is bound to wake it (or the lock is free).
    fn announce(&self) -> bool {
        let found = glance(&self.word);
        found & OWNER == 0
            || self
                .word
                .compare_exchange(found, found | WAITERS, SeqCst, Acquire)
                .is_ok()
    }

    /// `csi_claim_release`.
    fn release(&self, me: u64) {
        let mut found = glance(&self.word);
        if broken("lock-release-by-store") {
            self.word.store(0, Release);
        } else {
            let order = if broken("lock-relaxed-release") {
                Relaxed
            } else {
                SeqCst
            };
            while let Err(now) = self.word.compare_exchange(found, 0, order, Acquire) {
                found = now;
            }
        }
        assert_eq!(found & OWNER, me);
        if found & WAITERS != 0 {
            self.wakes.fetch_add(1, SeqCst);
        }
    }

    fn add(&self) {
        self.inside.with_mut(|at| unsafe { *at += 1 });
    }
}

/// Whoever is inside has seen what the one before did there.
#[test]
fn one_at_a_time() {
    loom::model(|| {
        let guarded = Arc::new(Guarded::new());
        let other = {
            let guarded = guarded.clone();
            thread::spawn(move || {
                let taken = guarded.take(1);
                if taken {
                    guarded.add();
                    guarded.release(1);
                }
                u64::from(taken)
            })
        };
        let mine = guarded.take(2);
        if mine {
            guarded.add();
            guarded.release(2);
        }
        let entered = u64::from(mine) + other.join().unwrap();
        assert_eq!(guarded.inside.with(|at| unsafe { *at }), entered);
    });
}

/// A waiter whose mark is on the word when it is released is woken.
#[test]
fn no_waiter_is_lost() {
    loom::model(|| {
        let guarded = Arc::new(Guarded::new());
        assert!(guarded.take(1));
        let waiter = {
            let guarded = guarded.clone();
            thread::spawn(move || {
                let found = guarded.word.load(Acquire);
                found & OWNER != 0 && guarded.announce() && guarded.word.load(Acquire) & OWNER != 0
            })
        };
        guarded.release(1);
        let asleep = waiter.join().unwrap(); /* it marked the word and then still found it held */
        assert!(!asleep || guarded.wakes.load(SeqCst) == 1);
    });
}
