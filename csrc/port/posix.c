/*
 * posix.c: the port to macOS, the BSDs and whatever else is POSIX.
 *
 * macOS 14.4 and later wake sleepers across processes; elsewhere a waiter looks again in short slices. Who
 * lives is told by process id and, where the system says, start time and zombie state: these systems' file
 * locks belong to a process and are dropped when any of its descriptors of the file closes, so they cannot
 * speak for a participant.
 *
 * cs_port_enter and cs_port_leave are not here: every such target has 64-bit atomics.
 */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#elif defined(__FreeBSD__)
#define __BSD_VISIBLE 1
#else
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "forks.h"

#include <signal.h>
#include <stdatomic.h>

#if defined(__APPLE__) || defined(__FreeBSD__)
#include <sys/types.h>
#include <sys/sysctl.h>
#endif
#if defined(__FreeBSD__)
#include <sys/user.h>
#endif
#if defined(__APPLE__)
#include <pthread.h>
#if defined(__has_include)
#if __has_include(<os/os_sync_wait_on_address.h>)
#include <os/os_sync_wait_on_address.h>
#define HAVE_SYNC_WAIT 1
#endif
#endif
#endif

#define FIRST_SLICE 50000u /* ns; doubled up to the longest while nobody comes */
#define LONGEST_SLICE 1000000u

uint64_t cs_port_now_ns(void) { return unix_clock(CLOCK_REALTIME); }

uint64_t cs_port_coarse_ns(void)
{
#if defined(CLOCK_REALTIME_FAST)
    return unix_clock(CLOCK_REALTIME_FAST);
#else
    return unix_clock(CLOCK_REALTIME);
#endif
}

uint64_t cs_port_monotonic_ns(void) { return unix_clock(CLOCK_MONOTONIC); }

/* -- who calls ------------------------------------------------------------------------------- */

uint32_t cs_port_thread(void)
{
#if defined(__APPLE__)
    uint64_t id = 0; /* counted up since the boot; libc keeps it, also right after a fork */
    pthread_threadid_np(NULL, &id);
    return (uint32_t)id ? (uint32_t)id : 1;
#else
    /* A number of this process's own. A fork's child goes on counting, so nothing is stale there. */
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t mine;
    while (!mine) {
        mine = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    }
    return mine;
#endif
}

/* -- processes ------------------------------------------------------------------------------- */

typedef struct process {
    uint64_t start; /* microseconds since the epoch; 0 where unknown */
    int zombie;
} process;

static void look_at_process(pid_t pid, process *out)
{
    out->start = 0;
    out->zombie = 0;
#if defined(__APPLE__) || defined(__FreeBSD__)
    int query[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, pid};
    struct kinfo_proc found;
    size_t size = sizeof found;
    memset(&found, 0, sizeof found);
    if (sysctl(query, 4, &found, &size, NULL, 0) != 0 || size == 0) {
        return;
    }
#if defined(__APPLE__)
    out->start = (uint64_t)found.kp_proc.p_starttime.tv_sec * 1000000u + (uint64_t)found.kp_proc.p_starttime.tv_usec;
    out->zombie = found.kp_proc.p_stat == SZOMB;
#else
    out->start = (uint64_t)found.ki_start.tv_sec * 1000000u + (uint64_t)found.ki_start.tv_usec;
    out->zombie = found.ki_stat == SZOMB;
#endif
#else
    (void)pid;
#endif
}

static void boot_id(uint64_t out[2])
{
    out[0] = out[1] = 0;
#if defined(__APPLE__)
    char text[64] = "";
    size_t size = sizeof text - 1;
    if (sysctlbyname("kern.bootsessionuuid", text, &size, NULL, 0) == 0) {
        unix_parse_uuid(text, out);
    }
#endif
}

void cs_port_identify(cs_identity *identity)
{
    process self;
    look_at_process(getpid(), &self);
    identity->start = self.start;
    boot_id(identity->boot);
    identity->pid = (uint32_t)getpid();
    identity->space = 0;
}

/* -- random bits ----------------------------------------------------------------------------- */

void cs_port_random(uint64_t out[2])
{
    size_t length = 0, need = 2 * sizeof *out;
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    while (file >= 0 && length < need) {
        ssize_t got = read(file, (unsigned char *)out + length, need - length);
        if (got <= 0 && errno != EINTR) {
            break;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    if (file >= 0) {
        close(file);
    }
    if (length < need) {
        unix_guess(out);
    }
}

/* -- waiting --------------------------------------------------------------------------------- */

#if defined(HAVE_SYNC_WAIT)
/* The functions take a word that is not const, and write nothing to it. */
typedef union address {
    const void *given;
    void *taken;
} address;
#endif

static int wait_in_slices(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    const _Atomic uint32_t *value = word;
    uint64_t started = unix_clock(CLOCK_MONOTONIC), slice = FIRST_SLICE;
    while (atomic_load_explicit(value, memory_order_acquire) == expected) {
        uint64_t passed = unix_clock(CLOCK_MONOTONIC) - started;
        if (passed >= timeout_ns) {
            return CS_E_TIMEOUT;
        }
        if (unix_sleep(slice < timeout_ns - passed ? slice : timeout_ns - passed) != CS_OK) {
            return CS_E_INTERRUPTED;
        }
        slice = slice * 2 < LONGEST_SLICE ? slice * 2 : LONGEST_SLICE;
    }
    return CS_OK;
}

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
#if defined(HAVE_SYNC_WAIT)
    if (__builtin_available(macOS 14.4, *)) {
        address at = {word};
        uint64_t longest = UNIX_LONGEST_SECONDS * (uint64_t)UNIX_SECOND;
        if (timeout_ns == 0) {
            return wait_in_slices(word, expected, 0); /* the call refuses a timeout of nothing */
        }
        if (os_sync_wait_on_address_with_timeout(at.taken, expected, sizeof expected, OS_SYNC_WAIT_ON_ADDRESS_SHARED,
                                                 OS_CLOCK_MACH_ABSOLUTE_TIME,
                                                 timeout_ns < longest ? timeout_ns : longest) >= 0) {
            return CS_OK;
        }
        switch (errno) {
        case ETIMEDOUT:
            return CS_E_TIMEOUT;
        case EINTR:
            return CS_E_INTERRUPTED;
        default:
            break;
        }
    }
#endif
    return wait_in_slices(word, expected, timeout_ns);
}

void cs_port_wake(const void *word, int all)
{
#if defined(HAVE_SYNC_WAIT)
    if (__builtin_available(macOS 14.4, *)) {
        address at = {word};
        if (all) {
            os_sync_wake_by_address_all(at.taken, sizeof(uint32_t), OS_SYNC_WAKE_BY_ADDRESS_SHARED);
        } else {
            os_sync_wake_by_address_any(at.taken, sizeof(uint32_t), OS_SYNC_WAKE_BY_ADDRESS_SHARED);
        }
    }
#else
    (void)word; /* waiters look by themselves */
    (void)all;
#endif
}

int cs_port_sleep(uint64_t ns) { return unix_sleep(ns); }

void cs_port_pause(void) { unix_pause(); }

/* -- liveness -------------------------------------------------------------------------------- */

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle;
    (void)slot;
    return CS_E_UNSUPPORTED;
}

void cs_port_unclaim(int64_t handle, uint32_t slot)
{
    (void)handle;
    (void)slot;
}

int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    process found;
    uint64_t boot[2];
    (void)handle;
    (void)slot;
    if (who->pid == 0 || who->pid > INT_MAX) {
        return 0;
    }
    boot_id(boot);
    if ((who->boot[0] | who->boot[1]) && (boot[0] | boot[1]) && (who->boot[0] != boot[0] || who->boot[1] != boot[1])) {
        return 0;
    }
    if (kill((pid_t)who->pid, 0) != 0 && errno == ESRCH) {
        return 0;
    }
    look_at_process((pid_t)who->pid, &found);
    return !found.zombie && !(who->start && found.start && who->start != found.start);
}

/* -- forks ----------------------------------------------------------------------------------- */

/* Written to a pipe, what cannot be read is an error. */
static int forks_readable(const uint64_t *mark)
{
    int ends[2], readable;
    if (pipe(ends) != 0) {
        return 0;
    }
    readable = write(ends[1], mark, sizeof *mark) == (ssize_t)sizeof *mark;
    close(ends[0]);
    close(ends[1]);
    return readable;
}

/* Nothing is locked. */
static void forks_let_go(const watched *view) { (void)view; }
