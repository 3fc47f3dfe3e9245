//! `record.c`: two buffers and a word of version and writer.

use crate::{broken, glance};
use loom::sync::atomic::{fence, AtomicU64, Ordering::*};
use loom::sync::Arc;
use loom::thread;

const WRITER: u64 = 0xFF;
const VERSION: u32 = 8;

struct Record {
    word: AtomicU64,
    buffers: [[AtomicU64; 2]; 2],
}

impl Record {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Record {
            word: zero(),
            buffers: [[zero(), zero()], [zero(), zero()]],
        }
    }

    /// `csi_record_write`: false when somebody else is at it.
    fn write(&self, me: u64) -> bool {
        let found = glance(&self.word);
        if found & WRITER != 0
            || self
                .word
                .compare_exchange(found, found | me, SeqCst, Acquire)
                .is_err()
        {
            return false;
        }
        if !broken("record-without-fence") {
            fence(Release);
        }
        let version = (found >> VERSION) + 1;
        for word in &self.buffers[(version & 1) as usize] {
            word.store(version, Relaxed);
        }
        if broken("record-relaxed-commit") {
            self.word.store(version << VERSION, Relaxed);
            return true;
        }
        self.word
            .compare_exchange(found | me, version << VERSION, SeqCst, Relaxed)
            .is_ok()
    }

    /// One round of `csi_record_read`: the version and what was copied, if that stood.
    fn read(&self) -> Option<(u64, [u64; 2])> {
        let before = self.word.load(Acquire) >> VERSION;
        let buffer = &self.buffers[(before & 1) as usize];
        let copy = [buffer[0].load(Relaxed), buffer[1].load(Relaxed)];
        if !broken("record-reader-unfenced") {
            fence(Acquire);
        }
        let after = self.word.load(Relaxed);
        let moved = (after >> VERSION) - before;
        (moved == 0 || (moved == 1 && after & WRITER == 0)).then_some((before, copy))
    }
}

/// Three versions by one writer while somebody reads: the third is written where the first was.
#[test]
fn what_is_read_is_one_version() {
    loom::model(|| {
        let record = Arc::new(Record::new());
        let writer = {
            let record = record.clone();
            thread::spawn(move || (0..3).for_each(|_| assert!(record.write(1))))
        };
        if let Some((version, copy)) = record.read() {
            assert_eq!(copy, [version, version]);
        }
        writer.join().unwrap();
        assert_eq!(record.read(), Some((3, [3, 3])));
    });
}

/// Two writers: one at a time, and who gets in has seen the other's version.
#[test]
fn writers_exclude_each_other() {
    loom::model(|| {
        let record = Arc::new(Record::new());
        let other = {
            let record = record.clone();
            thread::spawn(move || u64::from(record.write(1)))
        };
        let mine = u64::from(record.write(2));
        let written = mine + other.join().unwrap();
        assert!(written >= 1);
        assert_eq!(record.read(), Some((written, [written, written])));
    });
}
