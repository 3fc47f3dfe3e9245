/* port.h, as this platform's port keeps it. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "host.h"

#if defined(SUITE_THREADS)

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

void case_port_clocks(void)
{
    uint64_t now = cs_port_now_ns(), coarse = cs_port_coarse_ns(), last = cs_port_monotonic_ns();
    uint64_t random[2][2];
    CHECK(now > 1600000000000000000u); /* ns since the epoch, and not since the boot or 1601 */
    CHECK(coarse + 1000000000u > now && coarse < now + 1000000000u);
    for (uint32_t i = 0; i < ROUNDS(100000u); i++) {
        uint64_t next = cs_port_monotonic_ns();
        if (next < last)
            CHECK(next >= last);
        last = next;
    }
    cs_port_random(random[0]);
    cs_port_random(random[1]);
    CHECK(random[0][0] != random[1][0] && random[0][1] != random[1][1] && random[0][0] != random[0][1]);
    cs_identity me, again;
    cs_port_identify(&me);
    cs_port_identify(&again);
    CHECK(me.pid != 0);
    CHECK_EQUAL(me.start, again.start);
    CHECK(me.boot[0] == again.boot[0] && me.boot[1] == again.boot[1]);
    uint64_t boot[2] = {1, 1};
    cs_boot_id(boot);
    CHECK(boot[0] == me.boot[0] && boot[1] == me.boot[1]);
    uint64_t before = cs_port_monotonic_ns();
    CHECK_RESULT(cs_port_sleep(2000000), CS_OK);
    CHECK(cs_port_monotonic_ns() - before >= 2000000);
    cs_port_pause();
}

/* -- who calls ------------------------------------------------------------------------------ */

static void *ask(void *context)
{
    uint32_t *numbers = context;
    numbers[0] = cs_port_thread();
    numbers[1] = cs_port_thread();
    return 0;
}

void case_port_threads(void)
{
    uint32_t mine = cs_port_thread(), seen[32];
    CHECK(mine != 0);
    CHECK_EQUAL(cs_port_thread(), mine);
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t numbers[2];
        pthread_t thread;
        if (pthread_create(&thread, 0, ask, numbers) != 0)
            abort();
        pthread_join(thread, 0);
        suite_about("thread", i);
        CHECK(numbers[0] != 0 && numbers[0] == numbers[1] && numbers[0] != mine);
        for (uint32_t k = 0; k < i; k++)
            CHECK(seen[k] != numbers[0]); /* not used twice */
        seen[i] = numbers[0];
    }
    CHECK_EQUAL(cs_port_thread(), mine);
    /* In a child the number is the child's own thread's, and stays what it is. */
    pid_t child = fork();
    if (child == 0) {
        uint32_t numbers[2], its = cs_port_thread();
        pthread_t thread;
        int bad = its == 0 || its != cs_port_thread();
#if defined(__SANITIZE_THREAD__)
        (void)thread;
        (void)numbers; /* TSan does not let a child of a process with threads start any */
#else
        bad |= pthread_create(&thread, 0, ask, numbers) != 0;
        pthread_join(thread, 0);
        bad |= numbers[0] == its || numbers[0] == 0;
#endif
        _exit(bad);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(status, 0);
}

/* -- waiting -------------------------------------------------------------------------------- */

static uint32_t *word;

static void *wake(void *context)
{
    (void)context;
    cs_port_sleep(5000000);
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    cs_port_wake(word, 1);
    return 0;
}

static void on_signal(int number) { (void)number; }

static void alarm_soon(void)
{
    struct itimerval soon = {{0, 5000}, {0, 5000}}; /* again and again, lest one comes before the wait */
    setitimer(ITIMER_REAL, &soon, 0);
}
static void alarm_off(void)
{
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, 0);
}

void case_port_wait(void)
{
    pthread_t thread;
    word = mmap(0, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(word != MAP_FAILED);
    CHECK_RESULT(cs_port_wait(word, 7, CS_FOREVER), CS_OK); /* another value: at once */
    CHECK_RESULT(cs_port_wait(word, 0, 0), CS_E_TIMEOUT);
    uint64_t before = cs_port_monotonic_ns();
    int result;
    do
        result = cs_port_wait(word, 0, 3000000);
    while (result == CS_OK); /* it may return for no reason */
    CHECK_RESULT(result, CS_E_TIMEOUT);
    CHECK(cs_port_monotonic_ns() - before >= 3000000);
    /* Woken by a thread. */
    if (pthread_create(&thread, 0, wake, 0) != 0)
        abort();
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0)
        CHECK_RESULT(cs_port_wait(word, 0, CS_FOREVER), CS_OK);
    pthread_join(thread, 0);
    /* Woken by a process. */
    __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
    pid_t child = fork();
    if (child == 0) {
        wake(0);
        _exit(0);
    }
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) {
        result = cs_port_wait(word, 0, CS_FOREVER);
        CHECK(result == CS_OK || result == CS_E_INTERRUPTED);
    }
    CHECK(waitpid(child, 0, 0) == child);
    /* Interrupted by a signal, also when its handler was installed to restart calls. */
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction action, old;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = restart ? SA_RESTART : 0;
        sigaction(SIGALRM, &action, &old);
        __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
        alarm_soon();
        do
            result = cs_port_wait(word, 0, CS_FOREVER);
        while (result == CS_OK);
        CHECK_RESULT(result, CS_E_INTERRUPTED);
        CHECK_RESULT(cs_port_sleep(CS_FOREVER), CS_E_INTERRUPTED);
        alarm_off();
        sigaction(SIGALRM, &old, 0);
    }
    munmap(word, sizeof *word);
}

/* -- who lives ------------------------------------------------------------------------------ */

void case_port_claim(void)
{
    char path[] = "/tmp/conformance-XXXXXX";
    int made = mkstemp(path), first = open(path, O_RDWR), second = open(path, O_RDWR), reader = open(path, O_RDONLY);
    cs_identity me;
    NEED(made >= 0 && first >= 0 && second >= 0 && reader >= 0);
    cs_port_identify(&me);
    CHECK_RESULT(cs_port_claim(-1, 3), CS_E_UNSUPPORTED);
    if (cs_port_claim(first, 3) == CS_OK) {
        CHECK_RESULT(cs_port_claim(second, 3), CS_E_BUSY);
        CHECK_RESULT(cs_port_claim(second, 4), CS_OK);
        CHECK_RESULT(cs_port_claim(second, 4094), CS_OK);
        CHECK_EQUAL(cs_port_alive(reader, 3, &me), 1);
        CHECK_EQUAL(cs_port_alive(second, 3, &me), 1);
        CHECK_EQUAL(cs_port_alive(reader, 4094, &me), 1);
        CHECK_EQUAL(cs_port_alive(reader, 5, &me), 0);
        close(made); /* another description of the same file: closing it drops no lock */
        made = -1;
        CHECK_EQUAL(cs_port_alive(reader, 3, &me), 1);
        cs_port_unclaim(first, 3);
        CHECK_EQUAL(cs_port_alive(reader, 3, &me), 0);
        CHECK_RESULT(cs_port_claim(second, 3), CS_OK);
        close(second);
        second = -1;
        CHECK_EQUAL(cs_port_alive(reader, 3, &me), 0);
    } else {
        CHECK_RESULT(cs_port_claim(first, 3), CS_E_UNSUPPORTED);
        cs_port_unclaim(first, 3);
        CHECK_EQUAL(cs_port_alive(first, 3, &me), 1); /* by identity */
    }
    if (made >= 0)
        close(made);
    if (second >= 0)
        close(second);
    close(first);
    close(reader);
    unlink(path);
}

/* Who may only read the file can have read locks on it, and those say nothing of anybody. */
void case_port_field_x6_readers(void)
{
#if defined(F_OFD_SETLK)
    char path[] = "/tmp/conformance-XXXXXX";
    int made = mkstemp(path), writer = open(path, O_RDWR), reader = open(path, O_RDONLY);
    struct flock all = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0}; /* to the end of all files */
    cs_identity me;
    NEED(made >= 0 && writer >= 0 && reader >= 0);
    cs_port_identify(&me);
    if (cs_port_claim(writer, 3) == CS_OK) {
        cs_port_unclaim(writer, 3);
        CHECK_EQUAL(fcntl(reader, F_OFD_SETLK, &all), 0);
        CHECK_EQUAL(cs_port_alive(writer, 3, &me), 0);
        CHECK_EQUAL(cs_port_alive(made, 3, &me), 0);
        CHECK_RESULT(cs_port_claim(writer, 3), CS_E_UNSUPPORTED); /* and not BUSY: nobody alive holds it */
        all.l_type = F_UNLCK;
        CHECK_EQUAL(fcntl(reader, F_OFD_SETLK, &all), 0);
        CHECK_RESULT(cs_port_claim(writer, 3), CS_OK);
        CHECK_RESULT(cs_port_claim(made, 3), CS_E_BUSY);
    }
    close(made);
    close(writer);
    close(reader);
    unlink(path);
#endif
}

void case_port_alive(void)
{
    cs_identity me, who;
    int ends[2];
    cs_port_identify(&me);
    CHECK_EQUAL(cs_port_alive(-1, 0, &me), 1);
    NEED(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        cs_port_identify(&who);
        if (write(ends[1], &who, sizeof who) != (ssize_t)sizeof who)
            _exit(1);
        for (;;)
            pause();
    }
    CHECK(read(ends[0], &who, sizeof who) == (ssize_t)sizeof who);
    CHECK_EQUAL(who.pid, child);
    CHECK_EQUAL(cs_port_alive(-1, 0, &who), 1);
    cs_identity other = who;
    if (who.start) { /* a pid used again */
        other.start++;
        CHECK_EQUAL(cs_port_alive(-1, 0, &other), 0);
    }
    other = who;
    if (who.boot[0] | who.boot[1]) { /* a region of before the reboot */
        other.boot[1]++;
        CHECK_EQUAL(cs_port_alive(-1, 0, &other), 0);
    }
    static const uint32_t nobody[] = {0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (uint32_t i = 0; i < 4; i++) {
        suite_about("pid", nobody[i]);
        other = who;
        other.pid = nobody[i];
        CHECK_EQUAL(cs_port_alive(-1, 0, &other), 0);
    }
    suite_about(0, 0);
    kill(child, SIGKILL);
#if defined(__linux__)
    siginfo_t info; /* a zombie holds nothing up; only some systems say that it is one */
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    if (who.start)
        CHECK_EQUAL(cs_port_alive(-1, 0, &who), 0);
#endif
    CHECK(waitpid(child, 0, 0) == child);
    CHECK_EQUAL(cs_port_alive(-1, 0, &who), 0);
    close(ends[0]);
    close(ends[1]);
}

#endif
