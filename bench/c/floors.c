/*
 * floors.c: what nature and the kernel ask for on this machine, as rows of bench/results: a load, a store, a locked
 * addition, a line that goes from one processor to another, a system call that wakes nobody, and one that wakes
 * somebody. All take turns in every round.
 *
 *   bench_floors [ROUNDS]        prints {"rows": [...]}; nanoseconds, medians and the range of the middle eight tenths
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SMALL 1000000u /* operations a run of what takes about a nanosecond */
#define MOST_ROUNDS 1000u

static _Alignas(128) _Atomic uint64_t word;
static _Alignas(128) _Atomic uint32_t ball; /* even: the first processor's turn */
static _Alignas(128) uint64_t sink;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define LOOP(name, operation)                                                                                          \
    static double name(void)                                                                                           \
    {                                                                                                                  \
        uint64_t sum = 0, started = now_ns();                                                                          \
        for (uint32_t i = 0; i < SMALL; i++) {                                                                         \
            operation;                                                                                                 \
        }                                                                                                              \
        uint64_t passed = now_ns() - started;                                                                          \
        sink += sum;                                                                                                   \
        return (double)passed / SMALL;                                                                                 \
    }

LOOP(plain_load, sum += atomic_load_explicit(&word, memory_order_relaxed))
LOOP(plain_store, atomic_store_explicit(&word, i, memory_order_relaxed))
LOOP(locked_add, sum += atomic_fetch_add(&word, 1))

static double idle_wake(void)
{
    uint64_t started = now_ns();
    for (uint32_t i = 0; i < 10000; i++)
        syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return (double)(now_ns() - started) / 10000;
}

static void stay_on(long processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)(processor % sysconf(_SC_NPROCESSORS_ONLN)), &set);
    sched_setaffinity(0, sizeof set, &set); /* where it may not, the threads still are two */
}

struct game {
    uint32_t turns;
    int asleep;
};

/* The ball as it is; when it is the other's turn, wait for it to change. */
static uint32_t my_turn(uint32_t parity, int asleep)
{
    uint32_t seen;
    while (((seen = atomic_load_explicit(&ball, memory_order_acquire)) & 1u) != parity)
        if (asleep)
            syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    return seen;
}

static void play(const struct game *game, uint32_t parity)
{
    for (uint32_t i = 0; i < game->turns; i++) {
        atomic_store_explicit(&ball, my_turn(parity, game->asleep) + 1, memory_order_release);
        if (game->asleep)
            syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *other(void *game)
{
    stay_on(1);
    play(game, 1);
    return NULL;
}

/* Nanoseconds from one thread's store to the other's sight of it. */
static double bounce(uint32_t turns, int asleep)
{
    struct game game = {turns, asleep};
    pthread_t thread;
    atomic_store(&ball, 0);
    if (pthread_create(&thread, NULL, other, &game) != 0) {
        fprintf(stderr, "floors: no second thread\n");
        exit(1);
    }
    stay_on(0);
    play(&(struct game){1, asleep}, 0); /* once there and back: the other has begun */
    my_turn(0, asleep);
    uint64_t started = now_ns();
    play(&(struct game){turns - 1, asleep}, 0);
    my_turn(0, asleep);
    uint64_t passed = now_ns() - started;
    pthread_join(thread, NULL);
    return (double)passed / (2.0 * (turns - 1));
}

static double bounced_line(void) { return bounce(20000, 0); }
static double woken(void) { return bounce(500, 1); }

static const struct {
    const char *name, *what;
    double (*run)(void);
} floors[] = {
    {"a load", "a load of 64 bits", plain_load},
    {"a store", "a store of 64 bits", plain_store},
    {"a locked addition", "an addition of 64 bits, locked, uncontended", locked_add},
    {"a line's way", "a cache line from one processor to another, both spinning", bounced_line},
    {"a wake of nobody", "a futex wake with nobody asleep", idle_wake},
    {"a wake", "a futex wake, until the woken thread runs", woken},
};
#define FLOORS (sizeof floors / sizeof *floors)

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static double times[FLOORS][MOST_ROUNDS];
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 15;
    if (argc > 2 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: %s [ROUNDS], 1 to %u\n", argv[0], MOST_ROUNDS);
        return 2;
    }
    for (size_t i = 0; i < FLOORS; i++)
        (void)floors[i].run();
    for (uint32_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < FLOORS; i++)
            times[i][round] = floors[i].run();
    printf("{\"rows\": [\n");
    for (size_t i = 0; i < FLOORS; i++) {
        qsort(times[i], rounds, sizeof times[i][0], ascending);
        printf(
            "  {\"work\": \"floor\", \"what\": \"what nature and the kernel ask for\", \"parameters\": {\"of\": \"%s\"}, "
            "\"unit\": \"ns\", \"better\": \"less\", \"subject\": \"floor\", \"version\": \"\", \"median\": %.4g, "
            "\"low\": %.4g, \"high\": %.4g, \"runs\": %u, \"note\": \"%s\"}%s\n",
            floors[i].name, times[i][rounds / 2], times[i][rounds / 10], times[i][rounds - 1 - rounds / 10],
            (unsigned)rounds, floors[i].what, i + 1 < FLOORS ? "," : "");
    }
    printf("]}\n");
    return sink == 0x5EED ? 3 : 0; /* the sums are used, whatever they are */
}
