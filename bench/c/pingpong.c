/*
 * The bare minimum two processes need to answer each other, as a yardstick: one word each in shared memory.
 *
 *     pingpong spin|futex|socket ROUNDS     prints the nanoseconds of each round trip's median, p99 and minimum
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct words {
    _Alignas(128) _Atomic uint32_t ping;
    _Alignas(128) _Atomic uint32_t pong;
} words;

typedef void (*turn_fn)(words *shared, int fd, uint32_t n);

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void spin_until(_Atomic uint32_t *word, uint32_t n)
{
    while (atomic_load_explicit(word, memory_order_acquire) != n) {}
}

static void sleep_until(_Atomic uint32_t *word, uint32_t n)
{
    uint32_t seen;
    while ((seen = atomic_load_explicit(word, memory_order_acquire)) != n)
        syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void set_and_wake(_Atomic uint32_t *word, uint32_t n)
{
    atomic_store_explicit(word, n, memory_order_release);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void send_byte(int fd)
{
    char byte = 1;
    if (write(fd, &byte, 1) != 1)
        exit(3);
}

static void take_byte(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        exit(3);
}

static void ask_spinning(words *shared, int fd, uint32_t n)
{
    (void)fd;
    atomic_store_explicit(&shared->ping, n, memory_order_release);
    spin_until(&shared->pong, n);
}

static void answer_spinning(words *shared, int fd, uint32_t n)
{
    (void)fd;
    spin_until(&shared->ping, n);
    atomic_store_explicit(&shared->pong, n, memory_order_release);
}

static void ask_asleep(words *shared, int fd, uint32_t n)
{
    (void)fd;
    set_and_wake(&shared->ping, n);
    sleep_until(&shared->pong, n);
}

static void answer_asleep(words *shared, int fd, uint32_t n)
{
    (void)fd;
    sleep_until(&shared->ping, n);
    set_and_wake(&shared->pong, n);
}

static void ask_socket(words *shared, int fd, uint32_t n)
{
    (void)shared, (void)n;
    send_byte(fd);
    take_byte(fd);
}

static void answer_socket(words *shared, int fd, uint32_t n)
{
    (void)shared, (void)n;
    take_byte(fd);
    send_byte(fd);
}

/* Each of the two has a CPU of its own where there are two: else what is measured is the scheduler's mood. */
static void settle(int which)
{
    cpu_set_t allowed, mine;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    CPU_ZERO(&mine);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && which-- == 0) {
            CPU_SET(cpu, &mine);
            sched_setaffinity(0, sizeof mine, &mine);
            return;
        }
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static const struct mode {
        const char *name;
        turn_fn ask, answer;
    } modes[] = {{"spin", ask_spinning, answer_spinning},
                 {"futex", ask_asleep, answer_asleep},
                 {"socket", ask_socket, answer_socket}};
    const struct mode *mode = NULL;
    uint32_t rounds = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    for (size_t i = 0; argc == 3 && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            mode = &modes[i];
    if (mode == NULL || rounds == 0) {
        fprintf(stderr, "usage: %s spin|futex|socket ROUNDS\n", argv[0]);
        return 2;
    }
    words *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t *times = calloc(rounds, sizeof *times);
    int ends[2];
    if (shared == MAP_FAILED || times == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 3;
    pid_t child = fork();
    if (child < 0)
        return 3;
    settle(child == 0);
    if (child == 0) {
        for (uint32_t n = 1; n <= rounds; n++)
            mode->answer(shared, ends[1], n);
        _exit(0);
    }
    for (uint32_t n = 1; n <= rounds; n++) {
        uint64_t begin = now_ns();
        mode->ask(shared, ends[0], n);
        times[n - 1] = now_ns() - begin;
    }
    waitpid(child, NULL, 0);
    qsort(times, rounds, sizeof *times, by_size);
    printf("{\"mode\": \"%s\", \"rounds\": %u, \"median_ns\": %llu, \"p99_ns\": %llu, \"min_ns\": %llu}\n", mode->name,
           rounds, (unsigned long long)times[rounds / 2], (unsigned long long)times[(uint64_t)rounds * 99 / 100],
           (unsigned long long)times[0]);
    return 0;
}
