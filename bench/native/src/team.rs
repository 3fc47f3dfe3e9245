//! Other processes that do their part of a work: this program again, told its role, led by words in shared memory.
use crate::region::map;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Words that lie 128 bytes apart: nobody's neighbour is on the same line, nor on the one fetched with it.
#[repr(C, align(128))]
struct Line(AtomicU64);

const READY: usize = 0;
const GO: usize = 1;
const COUNT: usize = 2;
const DONE: usize = 3;
const STOP: usize = 4;
/// From here on words are the work's own.
pub const OWN: usize = 8;
const WORDS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub struct Shared(*const Line);

unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    fn at(folder: &Path, create: bool) -> Shared {
        let path = folder.join("team");
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(create).open(path);
        let file = file.expect("the team's file");
        let size = WORDS * std::mem::size_of::<Line>();
        file.set_len(size as u64).expect("room for the team's words");
        Shared(map(&file, size).cast_const().cast())
    }

    pub fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS);
        unsafe { &(*self.0.add(index)).0 }
    }

    pub fn stopped(&self) -> bool {
        self.word(STOP).load(SeqCst) != 0
    }
}

/// Who leads. Its members end when it is dropped.
pub struct Team {
    pub shared: Shared,
    members: Vec<Child>,
    round: u64,
}

impl Team {
    /// Starts `size` members in `role` and waits until all are ready.
    pub fn start(folder: &Path, role: &str, subject: &str, size: usize) -> Team {
        let mut team = Team { shared: Shared::at(folder, true), members: Vec::new(), round: 0 };
        let program = std::env::current_exe().expect("this program's own file");
        for index in 0..size {
            let mut command = Command::new(&program);
            command.args(["member", role, subject]).arg(folder).arg(index.to_string());
            team.members.push(command.spawn().expect("another process of this program"));
        }
        team.until("its members to be ready", |team| team.shared.word(READY).load(SeqCst) == size as u64);
        team
    }

    /// Yields until it is so; panics when a member has died or a minute has passed.
    fn until(&mut self, what: &str, so: impl Fn(&Team) -> bool) {
        let started = Instant::now();
        for looks in 1u64.. {
            if so(self) {
                return;
            }
            std::thread::yield_now();
            if looks % 4096 == 0 {
                let dead = self.members.iter_mut().any(|member| !matches!(member.try_wait(), Ok(None)));
                assert!(!dead, "a team waited for {what}, and a member has died");
                assert!(started.elapsed() < PATIENCE, "a team waited for {what}, for {PATIENCE:?} in vain");
            }
        }
    }

    /// All members do `count` each; the time until the last one is done.
    pub fn round(&mut self, count: u64) -> Duration {
        self.round += 1;
        self.shared.word(COUNT).store(count, SeqCst);
        self.shared.word(DONE).store(0, SeqCst);
        let started = Instant::now();
        self.shared.word(GO).store(self.round, SeqCst);
        self.until("a round's end", |team| team.shared.word(DONE).load(SeqCst) == team.members.len() as u64);
        started.elapsed()
    }

    /// Members that attend do so from now on, or rest.
    pub fn go(&self, on: bool) {
        self.shared.word(GO).store(u64::from(on), SeqCst);
    }

    /// Runs something while the members attend.
    pub fn alongside<T>(&self, run: impl FnOnce() -> T) -> T {
        self.go(true);
        let result = run();
        self.go(false);
        result
    }

    /// Runs something while the members repeat their part; they have begun when it starts.
    pub fn busy<T>(&self, run: impl FnOnce() -> T) -> T {
        self.shared.word(DONE).store(0, SeqCst);
        self.shared.word(GO).store(1, SeqCst);
        while self.shared.word(DONE).load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        let result = run();
        self.shared.word(GO).store(0, SeqCst);
        result
    }

    /// The leader's own part of something that members answer to.
    pub fn wait_for(&mut self, what: &str, so: impl Fn(&Shared) -> bool) {
        self.until(what, |team| so(&team.shared));
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.word(STOP).store(1, SeqCst);
        for member in &mut self.members {
            if std::thread::panicking() {
                let _ = member.kill();
            }
            let _ = member.wait();
        }
    }
}

/// One member, in its own process.
pub struct Member {
    pub shared: Shared,
    pub folder: PathBuf,
    pub subject: String,
    pub index: usize,
}

impl Member {
    pub fn join(subject: &str, folder: &Path, index: usize) -> Member {
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }; // nobody is left over when the leader is killed
        Member { shared: Shared::at(folder, false), folder: folder.into(), subject: subject.into(), index }
    }

    /// Says that it is ready, then does each round the leader calls.
    pub fn serve(&self, mut part: impl FnMut(u64)) {
        self.shared.word(READY).fetch_add(1, SeqCst);
        let (mut last, mut looks) = (0, 0);
        while !self.shared.stopped() {
            let round = self.shared.word(GO).load(SeqCst);
            if round == last {
                rest(&mut looks);
                continue;
            }
            (last, looks) = (round, 0);
            part(self.shared.word(COUNT).load(SeqCst));
            self.shared.word(DONE).fetch_add(1, SeqCst);
        }
    }

    /// Says that it is ready, then looks, over and over while the leader wants it, whether there is something to do.
    pub fn attend(&self, mut look: impl FnMut()) {
        self.shared.word(READY).fetch_add(1, SeqCst);
        let mut looks = 0;
        while !self.shared.stopped() {
            if self.shared.word(GO).load(SeqCst) == 0 {
                rest(&mut looks);
                continue;
            }
            looks = 0;
            look();
        }
    }

    /// Says that it is ready, then does the same over and over while the leader wants it.
    pub fn repeat(&self, mut part: impl FnMut()) {
        self.shared.word(READY).fetch_add(1, SeqCst);
        let mut looks = 0;
        while !self.shared.stopped() {
            if self.shared.word(GO).load(SeqCst) == 0 {
                rest(&mut looks);
                continue;
            }
            looks = 0;
            for _ in 0..16 {
                part();
            }
            self.shared.word(DONE).store(1, SeqCst);
        }
    }
}

/// One look that found nothing to do: others first, then sleep, since idle members are not to disturb the others' runs.
fn rest(looks: &mut u32) {
    *looks += 1;
    if *looks < 64 {
        std::thread::yield_now();
    } else {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Nanoseconds an operation takes when so many threads do `count` each: from the first's start to the last's end, by the
/// operations of all.
pub fn crowd(threads: usize, count: u64, operation: impl Fn() + Sync) -> f64 {
    let barrier = std::sync::Barrier::new(threads);
    let one = || {
        barrier.wait();
        let started = Instant::now();
        for _ in 0..count {
            operation();
        }
        (started, Instant::now())
    };
    let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread of the crowd")).collect()
    });
    let started = times.iter().map(|time| time.0).min().expect("a thread at least");
    let ended = times.iter().map(|time| time.1).max().expect("a thread at least");
    (ended - started).as_nanos() as f64 / (count * threads as u64) as f64
}

/// Nanoseconds an operation takes, over `slice`.
pub fn during(slice: Duration, mut operation: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut count = 0u64;
    loop {
        for _ in 0..64 {
            operation();
        }
        count += 64;
        let passed = started.elapsed();
        if passed >= slice {
            return passed.as_nanos() as f64 / count as f64;
        }
    }
}

/// The same while another thread does something else over and over.
pub fn beside(slice: Duration, other: impl Fn() + Sync, operation: impl FnMut()) -> f64 {
    let stop = AtomicU64::new(0);
    let begun = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while stop.load(SeqCst) == 0 {
                other();
                begun.store(1, SeqCst);
            }
        });
        while begun.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        let took = during(slice, operation);
        stop.store(1, SeqCst);
        took
    })
}

/// Keeps the calling thread on one processor, counted from 0 and round again.
pub fn stay_on(processor: usize) {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor % count, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
    }
}

/// Lets it go anywhere again.
pub fn stay_anywhere() {
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for processor in 0..libc::CPU_SETSIZE as usize {
            libc::CPU_SET(processor, &mut set);
        }
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
    }
}
