/* Who is taken to be alive: beside readers with locks of their own, and after forks the core was not told of. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* as the port has it: locks lie beyond 2 GiB */
#include "host_process.h"

#if defined(SUITE_PROCESSES)

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static cs_region *view(void) { return &the_host.view; }

static int hold_body(uint32_t number)
{
    cs_handle lock = 0;
    if (cs_lock_open(view(), "held", CS_NUL, &lock) != CS_OK ||
        cs_lock_acquire(view(), CS_SECTION_LOCKS, lock, 0) != (number ? CS_INHERITED : CS_OK))
        return 1;
    the_host.shared->number[number] = cs_participant_self(view());
    host_ready();
    host_hang();
    return 0;
}

static uint32_t state_of(uint64_t id)
{
    cs_participant_info info;
    for (uint32_t slot = 0; cs_participant_get(view(), slot, &info) == CS_OK; slot++)
        if (info.id == id)
            return info.state;
    return CS_PARTICIPANT_FREE;
}

/* In a process that may only read the region's file: read locks on every slot's byte, as soon as they are to be had. */
static int read_lock_body(void)
{
    uint64_t *rounds = &the_host.shared->number[15];
    int file = open(the_host.path, O_RDONLY);
    for (;;) {
#if defined(F_OFD_SETLK)
        for (off_t slot = 0; slot < 16; slot++) {
            struct flock one = {
                .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = ((off_t)1 << 40) + slot, .l_len = 1};
            (void)fcntl(file, F_OFD_SETLK, &one);
        }
#endif
        __atomic_fetch_add(rounds, 1, __ATOMIC_SEQ_CST);
        if (file < 0 || cs_port_sleep(100000) != CS_OK)
            return 1;
    }
}

static pid_t reader;

/* Until the reader has every lock that nobody's write lock keeps it from. */
static void await_reader(void)
{
    uint64_t *rounds = &the_host.shared->number[15], begun = __atomic_load_n(rounds, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(rounds, __ATOMIC_SEQ_CST) < begun + 2)
        if (!CHECK(waitpid(reader, 0, WNOHANG) == 0) || cs_port_sleep(100000) != CS_OK)
            return;
}

/* Nobody is kept out by it, nobody dead kept alive, nobody alive taken for dead. */
void case_process_field_x6_liveness(void)
{
    cs_handle lock = 0;
    cs_lock_info info;
    cs_health health;
    cs_region more[16];
    int files[16];
    uint32_t joined = 0;
    uint64_t *number;
    NEED(host_open(0));
    number = the_host.shared->number;
    CHECK_RESULT(cs_lock_open(view(), "held", CS_NUL, &lock), CS_OK);
    pid_t holder = host_spawn(hold_body, 0); /* with a lock of the kernel's */
    host_await_ready(1);
    reader = fork();
    if (reader == 0)
        _exit(read_lock_body());
    await_reader();
    CHECK_EQUAL(state_of(number[0]), CS_PARTICIPANT_LIVE);
    host_kill(holder);
    await_reader();
    CHECK_EQUAL(state_of(number[0]), CS_PARTICIPANT_DEAD);
    CHECK_EQUAL(cs_sweep(view()), 1);
    /* By its identity, and inheriting. */
    holder = host_spawn(hold_body, 1);
    host_await_ready(2);
    CHECK_EQUAL(state_of(number[1]), CS_PARTICIPANT_LIVE);
    CHECK_EQUAL(cs_sweep(view()), 0);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_E_BUSY);
    CHECK_RESULT(cs_lock_get(view(), CS_SECTION_LOCKS, lock, &info), CS_OK);
    CHECK_EQUAL(info.alive, 1);
    host_kill(holder);
    CHECK_EQUAL(state_of(number[1]), CS_PARTICIPANT_DEAD);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_INHERITED);
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_EQUAL(cs_sweep(view()), 1);
    /* Every slot there is. */
    for (int result = CS_OK; joined < 16 && result == CS_OK; joined += result == CS_OK) {
        files[joined] = open(the_host.path, O_RDWR | O_CLOEXEC);
        result = cs_region_attach(&more[joined], the_host.memory, the_host.size, 0, files[joined]);
    }
    CHECK_EQUAL(joined, 15);
    close(files[joined]);
    while (joined > 0) {
        cs_region_detach(&more[--joined]);
        close(files[joined]);
    }
    CHECK_RESULT(cs_health_read(view(), CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 0);
    host_kill(reader);
    host_close();
}

/* -- forks the core is not told of ------------------------------------------------------------------------- */

/* As who knows nothing of the fork: it may read, and what it writes and gives back is not its parent's. */
static int unaware_body(void)
{
    cs_handle lock = 0, counter = 0, other = 0;
    cs_lock_info info;
    uint64_t value = 0;
    if (cs_participant_self(view()) != 0)
        return 1;
    if (cs_counter_find(view(), "c", CS_NUL, &counter) != CS_OK ||
        cs_counter_add(view(), counter, 1, 0) != CS_E_DETACHED || cs_counter_get(view(), counter, &value) != CS_OK ||
        value != 7)
        return 2;
    if (cs_lock_find(view(), "held", CS_NUL, &lock) != CS_OK ||
        cs_lock_try(view(), CS_SECTION_LOCKS, lock) != CS_E_DETACHED ||
        cs_lock_release(view(), CS_SECTION_LOCKS, lock) != CS_E_DETACHED)
        return 3;
    if (cs_lock_open(view(), "other", CS_NUL, &other) != CS_E_DETACHED || cs_sweep(view()) != CS_E_DETACHED)
        return 4;
    if (cs_lock_get(view(), CS_SECTION_LOCKS, lock, &info) != CS_OK || !info.alive || info.mine)
        return 5;
    cs_region_close(view());
    cs_region_detach(view());
    return cs_participant_self(view()) != 0;
}

void case_process_field_c1_fork(void)
{
    cs_handle lock = 0, counter = 0;
    cs_lock_info info;
    cs_region other;
    NEED(host_open(0));
    int file = open(the_host.path, O_RDWR | O_CLOEXEC);
    CHECK_RESULT(cs_region_attach(&other, the_host.memory, the_host.size, 0, file), CS_OK);
    CHECK_RESULT(cs_counter_open(view(), "c", CS_NUL, &counter), CS_OK);
    CHECK_RESULT(cs_counter_set(view(), counter, 7), CS_OK);
    CHECK_RESULT(cs_lock_open(view(), "held", CS_NUL, &lock), CS_OK);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_OK);
    uint32_t self = cs_participant_self(view());
    for (int with_other = 1; with_other >= 0; with_other--) { /* whoever else of this process was attached */
        pid_t child = fork();
        if (child == 0)
            _exit(unaware_body());
        CHECK_EQUAL(host_wait(child), 0);
        CHECK_EQUAL(cs_participant_self(view()), self);
        CHECK_EQUAL(state_of(self), CS_PARTICIPANT_LIVE);
        CHECK_RESULT(cs_lock_get(view(), CS_SECTION_LOCKS, lock, &info), CS_OK);
        CHECK(info.alive && info.mine && !info.inherited);
        if (with_other) {
            CHECK_RESULT(cs_lock_try(&other, CS_SECTION_LOCKS, lock), CS_E_BUSY);
            cs_region_detach(&other);
            close(file);
        }
    }
    /* One that is told of it in the end is somebody else, and its own children are detached again. */
    pid_t child = fork();
    if (child == 0) {
        host_enter_child();
        int bad = cs_counter_add(view(), counter, 1, 0) != CS_OK || cs_participant_self(view()) == self;
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(cs_counter_add(view(), counter, 1, 0) != CS_E_DETACHED);
        _exit(bad | (host_wait(grandchild) != 0));
    }
    CHECK_EQUAL(host_wait(child), 0);
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, lock), CS_OK);
    /* A view that was never detached, whose memory is gone: a fork does not look at it. */
    cs_region *lost = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(lost != MAP_FAILED);
    CHECK_RESULT(cs_region_attach(lost, the_host.memory, the_host.size, 0, -1), CS_OK);
    munmap(lost, 65536);
    child = fork();
    if (child == 0)
        _exit(cs_counter_add(view(), counter, 1, 0) != CS_E_DETACHED);
    CHECK_EQUAL(host_wait(child), 0);
    host_close();
}

/* A holder that is killed is dead, although a child of it that knows nothing of corestate lives on. */
static int parent_body(uint32_t number)
{
    cs_handle lock = 0;
    if (cs_lock_open(view(), "held", CS_NUL, &lock) != CS_OK || cs_lock_try(view(), CS_SECTION_LOCKS, lock) != CS_OK)
        return 1;
    the_host.shared->number[number] = cs_participant_self(view());
    pid_t child = fork();
    if (child == 0) {
        the_host.shared->number[2] = (uint64_t)getpid();
        host_ready();
        host_hang();
    }
    host_ready();
    host_hang();
    return 0;
}

void case_process_field_c2_holder(void)
{
    cs_handle lock = 0;
    NEED(host_open(0));
    CHECK_RESULT(cs_lock_open(view(), "held", CS_NUL, &lock), CS_OK);
    pid_t holder = host_spawn(parent_body, 0);
    host_await_ready(2);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_E_BUSY);
    CHECK_EQUAL(state_of(the_host.shared->number[0]), CS_PARTICIPANT_LIVE);
    host_kill(holder);
    CHECK_EQUAL(kill((pid_t)the_host.shared->number[2], 0), 0);
    CHECK_EQUAL(state_of(the_host.shared->number[0]), CS_PARTICIPANT_DEAD);
    CHECK_RESULT(cs_lock_try(view(), CS_SECTION_LOCKS, lock), CS_INHERITED);
    CHECK_RESULT(cs_lock_release(view(), CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_EQUAL(cs_sweep(view()), 1);
    kill((pid_t)the_host.shared->number[2], SIGKILL); /* not this process's child: nobody waits for it here */
    host_close();
}

#endif
