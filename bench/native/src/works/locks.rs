//! Take and release a lock: alone, against another thread, against another process.
use crate::region::{config, must, Attached};
use crate::report::{entry, noted, Report, Work};
use crate::sys;
use crate::team::{crowd, Member, Shared, Team, OWN};
use feagi_state_manager::CorticalLockManager;
use serde_json::json;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const NAME: &str = "visual";

/// What the lock guards: a number that is not added to in one step.
fn guarded(number: &AtomicU64) {
    number.store(number.load(Relaxed) + 1, Relaxed);
}

fn ours(region: &Attached, lock: sys::Handle, number: &AtomicU64) {
    must(unsafe { sys::cs_lock_acquire(region.get(), sys::SECTION_LOCKS, lock, sys::FOREVER) });
    guarded(number);
    must(unsafe { sys::cs_lock_release(region.get(), sys::SECTION_LOCKS, lock) });
}

/// The C library's mutex for several processes that outlives its holder.
#[derive(Clone, Copy)]
struct Robust(*mut libc::pthread_mutex_t);

unsafe impl Send for Robust {}
unsafe impl Sync for Robust {}

impl Robust {
    /// In memory that all share, 64 bytes of it.
    fn at(shared: &Shared, make: bool) -> Robust {
        let mutex: *mut libc::pthread_mutex_t = std::ptr::from_ref(shared.word(OWN + 1)).cast_mut().cast();
        if make {
            unsafe {
                let mut attributes = std::mem::zeroed();
                libc::pthread_mutexattr_init(&mut attributes);
                libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
                libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
                assert_eq!(libc::pthread_mutex_init(mutex, &attributes), 0);
            }
        }
        Robust(mutex)
    }

    fn hold(self, number: &AtomicU64) {
        unsafe {
            assert_eq!(libc::pthread_mutex_lock(self.0), 0);
            guarded(number);
            assert_eq!(libc::pthread_mutex_unlock(self.0), 0);
        }
    }
}

pub fn run(report: &mut Report, folder: &Path) {
    if !report.wants("lock") {
        return;
    }
    let region = Attached::create(&folder.join("locks"), &config(16, 256));
    let lock = region.lock(NAME);
    let team = folder.join("mutex");
    std::fs::create_dir_all(&team).expect("a folder");
    let team = Team::start(&team, "lock", "pthread mutex", 0);
    let robust = Robust::at(&team.shared, true);
    let feagi = CorticalLockManager::new();
    let plain = parking_lot::Mutex::new(());
    let number = AtomicU64::new(0);
    for threads in [1usize, 2] {
        let work = Work::ns(
            "lock",
            "take a lock, add to a number under it, release it",
            json!({"contenders": threads, "of": "threads"}),
        );
        let count = (report.slice.as_nanos() as u64 / 50).max(1000) / threads as u64;
        let mut entries = vec![
            noted("corestate", "inherited from the dead, and the taker told", || {
                crowd(threads, count, || ours(&region, lock, &number))
            }),
            entry("pthread mutex", || crowd(threads, count, || robust.hold(&number))),
            noted("parking_lot", "Mutex: threads of one process, no word of its holder", || {
                crowd(threads, count, || {
                    let _held = plain.lock();
                    guarded(&number);
                })
            }),
        ];
        if threads == 1 {
            entries.push(noted("feagi-state-manager", "tries only; there is no waiting", || {
                crowd(1, count, || {
                    assert!(black_box(feagi.try_lock(1)));
                    guarded(&number);
                    feagi.unlock(1);
                })
            }));
        }
        report.contest(&work, entries);
        report.reason(
            &work,
            "parking_lot's mutex is one byte that names nobody: no check of a handle, no holder to be told from the \
             dead, no thread to be told that it holds the lock already. Beside the C library's robust mutex a lock of \
             the region checks its handle, so that a removed lock is an error.",
        );
    }
    drop(region);
    of_processes(report, folder);
}

fn of_processes(report: &mut Report, folder: &Path) {
    for processes in [1usize, 2] {
        let work = Work::ns(
            "lock",
            "take a lock, add to a number under it, release it",
            json!({"contenders": processes, "of": "processes"}),
        );
        let count = (report.slice.as_nanos() as u64 / 50).max(1000) / processes as u64;
        let entries = ["corestate", "pthread mutex"].map(|subject| {
            let own = folder.join(format!("locks-{processes}-{}", subject.replace(' ', "-")));
            std::fs::create_dir_all(&own).expect("a folder");
            if subject == "corestate" {
                drop(Attached::create(&own.join("region"), &config(16, 256)));
            }
            let mut team = Team::start(&own, "lock", subject, processes);
            entry(subject, move || team.round(count).as_nanos() as f64 / (count * processes as u64) as f64)
        });
        report.contest(&work, entries.into());
        report.reason(
            &work,
            "both wait in the same futex; beside the C library's mutex a lock of the region checks its handle, so that a \
             removed lock is an error, and the thread, so that waiting for oneself is one too.",
        );
    }
}

/// The part of one process.
pub fn member(member: &Member) {
    let number = member.shared.word(OWN);
    if member.subject == "corestate" {
        let region = Attached::open(&member.folder.join("region"));
        let lock = region.lock(NAME);
        return member.serve(|count| {
            for _ in 0..count {
                ours(&region, lock, number);
            }
        });
    }
    let robust = Robust::at(&member.shared, member.index == 0);
    member.serve(|count| {
        for _ in 0..count {
            robust.hold(number);
        }
    });
}
