/*
 * linux.c: the port to Linux.
 *
 * Waiting is the futex, shared between processes. Who lives is told by the kernel: a participant holds an
 * open-file-description lock on one byte of the region's file, far behind its end, and the kernel drops it
 * however the process ends. It works on tmpfs and from one pid namespace to another.
 *
 * Only write locks count, since who may not write the file cannot have one. Read locks can be had by everybody who may
 * read it, and refuse a write lock. A slot that has one on its byte is claimed without a lock: then, and where there is
 * no file, process id, start time, boot id and pid namespace say who lives.
 *
 * cs_port_enter and cs_port_leave are not here: every Linux target has 64-bit atomics.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include "unix.h"

#include "forks.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>

/* Slot 0's byte: behind the largest region (64 GiB), and within what every file system here can address. */
#define LOCK_BASE ((off_t)1 << 40)

uint64_t cs_port_now_ns(void) { return unix_clock(CLOCK_REALTIME); }

uint64_t cs_port_coarse_ns(void) { return unix_clock(CLOCK_REALTIME_COARSE); }

uint64_t cs_port_monotonic_ns(void) { return unix_clock(CLOCK_MONOTONIC); }

/* -- who calls ------------------------------------------------------------------------------- */

/*
 * The kernel's thread id, asked once a thread and again after a fork. A fork is noticed by a word that
 * reads zero in the child: the kernel wipes its page there (which also covers _Fork and clone), and an
 * atfork handler zeroes it where the kernel cannot.
 */
static _Atomic uint32_t fork_fallback;
static _Atomic uint32_t *_Atomic fork_word;
static _Thread_local uint32_t thread_cached;
static _Thread_local uint32_t thread_mark; /* what the word was when the id was cached; 0: never cached */

static void forget_threads(void)
{
    _Atomic uint32_t *word = atomic_load_explicit(&fork_word, memory_order_relaxed);
    if (word) {
        atomic_store_explicit(word, 0, memory_order_relaxed);
    }
}

/* Without a mutex, which a fork in the middle would leave locked in the child: the first to publish its word wins. */
static _Atomic uint32_t *make_fork_word(void)
{
    _Atomic uint32_t *none = NULL, *word = &fork_fallback;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED && madvise(memory, page, MADV_WIPEONFORK) != 0) {
        munmap(memory, page);
        memory = MAP_FAILED;
    }
    if (memory != MAP_FAILED) {
        word = memory;
    }
    if (atomic_compare_exchange_strong(&fork_word, &none, word)) {
        pthread_atfork(NULL, NULL, forget_threads);
        return word;
    }
    if (memory != MAP_FAILED) {
        munmap(memory, page);
    }
    return none;
}

/* Slow path: this thread, or this process, calls for the first time. */
static uint32_t ask_thread(void)
{
    _Atomic uint32_t *word = atomic_load_explicit(&fork_word, memory_order_acquire);
    uint32_t mark;
    if (!word) {
        word = make_fork_word();
    }
    mark = atomic_load_explicit(word, memory_order_relaxed);
    if (!mark) {
        /* The time, so that no ancestor's mark is met again; odd, so that it is never zero. */
        uint32_t fresh = (uint32_t)(unix_clock(CLOCK_MONOTONIC) >> 4) * 2u + 1u;
        mark = atomic_compare_exchange_strong(word, &mark, fresh) ? fresh : mark;
    }
    thread_cached = (uint32_t)syscall(SYS_gettid);
    thread_mark = mark;
    return thread_cached;
}

/* The kernel hands thread ids out in a circle: one comes back only after pid_max threads were started. */
uint32_t cs_port_thread(void)
{
    _Atomic uint32_t *word = atomic_load_explicit(&fork_word, memory_order_acquire);
    if (thread_mark && atomic_load_explicit(word, memory_order_relaxed) == thread_mark) {
        return thread_cached;
    }
    return ask_thread();
}

/* -- processes ------------------------------------------------------------------------------- */

typedef struct process {
    uint64_t start; /* clock ticks after boot; 0 where unknown */
    int dead;       /* a zombie: killed, and not yet waited for by its parent */
} process;

/* The field `number` (from 3, as proc(5) counts them) of a stat line; null when there are fewer. */
static const char *stat_field(const char *line, unsigned number)
{
    const char *at = strrchr(line, ')'); /* the name before it may hold anything, spaces and ')' too */
    for (unsigned field = 2; at && field < number; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? at + 1 : NULL;
}

static uint64_t decimal(const char *text)
{
    uint64_t value = 0;
    while (text && *text >= '0' && *text <= '9') {
        value = value * 10 + (uint64_t)(*text++ - '0');
    }
    return value;
}

/*
 * The number of this process's pid namespace; 0 where it is not told. A namespace that is gone gives its number to a
 * later one, whose processes are then taken for its.
 */
static uint32_t pid_namespace(void)
{
    struct stat found;
    return stat("/proc/self/ns/pid", &found) == 0 ? (uint32_t)found.st_ino : 0;
}

/* Does /proc show the pids that this process counts in? It may have been mounted in another namespace. */
static int proc_is_ours(void)
{
    char text[16];
    ssize_t length = readlink("/proc/self", text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    return decimal(text) == (uint64_t)getpid();
}

static void look_at_process(const char *path, process *out)
{
    char line[1024];
    const char *state;
    out->start = 0;
    out->dead = 0;
    if (!unix_read_file(path, line, sizeof line)) {
        return;
    }
    out->start = decimal(stat_field(line, 22));
    state = stat_field(line, 3);
    /* A main thread that has ended shows as a zombie while the process's other threads live on. */
    out->dead = state && (*state == 'Z' || *state == 'X') && decimal(stat_field(line, 20)) <= 1;
}

static _Thread_local uint64_t boot_cached[2]; /* it does not change while a process lives */

static void boot_id(uint64_t out[2])
{
    char text[64];
    out[0] = boot_cached[0];
    out[1] = boot_cached[1];
    if (!(out[0] | out[1]) && unix_read_file("/proc/sys/kernel/random/boot_id", text, sizeof text)) {
        unix_parse_uuid(text, out);
        boot_cached[0] = out[0];
        boot_cached[1] = out[1];
    }
}

/* Without stdio, which a child of fork could find locked. How many digits, and a NUL behind them. */
static size_t put_decimal(char *to, uint32_t number)
{
    char digits[12];
    size_t length = 0, count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        to[length++] = digits[--count];
    to[length] = 0;
    return length;
}

/* "/proc/self/task/PID/stat" or "/proc/PID/stat". */
static void stat_path(char path[48], int mine, uint32_t pid)
{
    size_t at = 0;
    for (const char *start = mine ? "/proc/self/task/" : "/proc/"; *start; start++)
        path[at++] = *start;
    at += put_decimal(path + at, pid);
    memcpy(path + at, "/stat", 6);
}

/* A start is 40 bits of clock ticks after the boot, and above them 24 of the pid namespace's number. */
#define START_BITS 40
#define START_MASK ((1ull << START_BITS) - 1)
#define SPACE_MASK 0x1FFu

void cs_port_identify(cs_identity *identity)
{
    process self;
    uint32_t space = pid_namespace();
    char path[48];
    /* The main thread starts with the process, and emulators that make up /proc/self/stat leave this one alone. */
    stat_path(path, 1, (uint32_t)getpid());
    look_at_process(path, &self);
    if (!self.start)
        look_at_process("/proc/self/stat", &self);
    identity->start = self.start ? (self.start & START_MASK) | (uint64_t)space << START_BITS : 0;
    boot_id(identity->boot);
    identity->pid = (uint32_t)getpid();
    identity->space = space & SPACE_MASK;
}

/* Is it of another pid namespace than this process, as far as it says and this process knows? */
static int counts_elsewhere(const cs_identity *who)
{
    uint32_t space = pid_namespace();
    uint64_t as_start = (uint64_t)space << START_BITS;
    return who->space != (space & SPACE_MASK) || (who->start && (who->start ^ as_start) >> START_BITS);
}

static int alive_by_identity(const cs_identity *who)
{
    char path[48];
    process found;
    uint64_t boot[2];
    if (who->pid == 0 || who->pid > INT_MAX) {
        return 0;
    }
    boot_id(boot);
    if ((who->boot[0] | who->boot[1]) && (boot[0] | boot[1]) && (who->boot[0] != boot[0] || who->boot[1] != boot[1])) {
        return 0;
    }
    if (counts_elsewhere(who)) {
        return 1; /* its pid is somebody else's here */
    }
    if (kill((pid_t)who->pid, 0) != 0 && errno == ESRCH) {
        return 0;
    }
    if (!proc_is_ours()) {
        return 1;
    }
    stat_path(path, who->pid == (uint32_t)getpid(), who->pid);
    look_at_process(path, &found);
    return !found.dead && !(who->start && found.start && (who->start & START_MASK) != found.start);
}

/* -- random bits ----------------------------------------------------------------------------- */

void cs_port_random(uint64_t out[2])
{
    size_t need = 2 * sizeof *out;
    if (getrandom(out, need, 0) != (ssize_t)need) {
        unix_guess(out);
    }
}

/* -- waiting --------------------------------------------------------------------------------- */

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    /* Always with a timeout: the kernel would restart a wait without one after a signal whose handler asks for it. */
    struct {
        long seconds, nanoseconds; /* what the system call takes, whatever this C library's time_t */
    } time;
    struct timespec relative = unix_timespec(timeout_ns);
    time.seconds = (long)relative.tv_sec;
    time.nanoseconds = relative.tv_nsec;
    if (syscall(SYS_futex, word, FUTEX_WAIT, expected, &time, NULL, 0) == 0) {
        return CS_OK;
    }
    switch (errno) {
    case EAGAIN:
        return CS_OK;
    case ETIMEDOUT:
        return CS_E_TIMEOUT;
    case EINTR:
        return CS_E_INTERRUPTED;
    default:
        /* No futex on this word (a mapping it cannot sleep on): a short sleep, and the caller looks again. */
        return unix_sleep(timeout_ns < 1000000 ? timeout_ns : 1000000);
    }
}

void cs_port_wake(const void *word, int all) { syscall(SYS_futex, word, FUTEX_WAKE, all ? INT_MAX : 1, NULL, NULL, 0); }

int cs_port_sleep(uint64_t ns) { return unix_sleep(ns); }

void cs_port_pause(void) { unix_pause(); }

/* -- liveness -------------------------------------------------------------------------------- */

static int slot_lock(int64_t handle, uint32_t slot, int command, short type, short *found)
{
    struct flock lock;
    int result;
    memset(&lock, 0, sizeof lock); /* l_pid must be 0 */
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = LOCK_BASE + (off_t)slot;
    lock.l_len = 1;
    result = fcntl((int)handle, command, &lock);
    if (found) {
        *found = lock.l_type;
    }
    return result;
}

/* Is there a write lock of somebody else's? That is what a read lock is asked for to find out. */
static int slot_is_held(int64_t handle, uint32_t slot, int *held)
{
    short found = F_UNLCK;
    int result = slot_lock(handle, slot, F_OFD_GETLK, F_RDLCK, &found);
    *held = found != F_UNLCK;
    return result;
}

int cs_port_claim(int64_t handle, uint32_t slot)
{
    if (handle < 0 || handle > INT_MAX) {
        return CS_E_UNSUPPORTED;
    }
    for (int look = 0; look < 2; look++) {
        int held = 0;
        if (slot_lock(handle, slot, F_OFD_SETLK, F_WRLCK, NULL) == 0) {
            return CS_OK;
        }
        if (errno != EAGAIN && errno != EACCES) {
            break;
        }
        if (slot_is_held(handle, slot, &held) != 0 || held) {
            return CS_E_BUSY;
        }
    } /* not held: let go of between the two questions, or readers' locks are in the way */
    return CS_E_UNSUPPORTED;
}

void cs_port_unclaim(int64_t handle, uint32_t slot)
{
    if (handle >= 0 && handle <= INT_MAX) {
        slot_lock(handle, slot, F_OFD_SETLK, F_UNLCK, NULL);
    }
}

/* The lock decides alone where there is one: a pid means nothing to who is in another pid namespace. */
int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    int held = 0;
    if (handle >= 0 && handle <= INT_MAX && slot_is_held(handle, slot, &held) == 0) {
        return held;
    }
    return alive_by_identity(who);
}

/* -- forks ----------------------------------------------------------------------------------- */

/* The kernel copies the bytes before it finds that it is not told what to do with them. */
static int forks_readable(const uint64_t *mark)
{
    return syscall(SYS_rt_sigprocmask, -1, mark, NULL, _NSIG / 8) == 0 || errno != EFAULT;
}

/*
 * fork shares open file descriptions, and the lock stays for as long as anybody has one. The child puts one of its own
 * under the same number: closing it, or opening the file again by it, is what it was. Where it cannot (no descriptor is
 * left) the parent seems alive until the child closes the number or ends.
 */
static void forks_let_go(const watched *view)
{
    char path[32] = "/proc/self/fd/";
    int handle = (int)view->handle, fresh;
    if (!forks_has_file(view)) {
        return;
    }
    put_decimal(path + 14, (uint32_t)handle);
    fresh = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fresh < 0) {
        fresh = open(path, O_PATH | O_CLOEXEC); /* it may not open it any more, and so may not claim by it */
    }
    if (fresh >= 0) {
        (void)dup3(fresh, handle, O_CLOEXEC);
        (void)close(fresh);
    }
}
