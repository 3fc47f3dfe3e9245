/*
 * scribble.c: processes use a region in every way there is while another one writes random and chosen nasty words
 * into it. They may be told errors and wrong values; they may not crash, hang, or touch anything outside.
 *
 *   scribble [--seconds N] [--seed N]
 */
#define _GNU_SOURCE
#include "visit.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USERS 4u
/* A call that has not returned after this long never will: no call here waits longer than some patiences of a second. */
#define HANG_SECONDS 60u

typedef struct stats {
    _Atomic uint64_t calls[USERS], attached[USERS], refused[USERS], words;
    _Atomic uint32_t stop;
} stats;

static rig region_file;
static stats *shared;

static uint64_t now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void be_user(uint32_t user, uint64_t seed)
{
    uint64_t random = seed;
    while (!atomic_load(&shared->stop)) {
        member me;
        if (rig_join(&region_file, &me, user == 0 ? CS_READ_ONLY : 0) != CS_OK) {
            shared->refused[user]++;
            shared->calls[user]++;
            continue;
        }
        shared->attached[user]++;
        for (int i = 0; i < 200 && !atomic_load(&shared->stop); i++) {
            uint64_t dice = rig_random(&random);
            if (dice % 16 == 0)
                visit_read(&me.region, VISIT_ALL);
            else if (dice % 64 == 1)
                visit_picture(&me.region);
            else
                visit_write(&me.region, (uint32_t)(dice >> 8) & 0xFFu, (uint32_t)(dice >> 16) & 0xFFu, dice >> 56);
            shared->calls[user]++;
        }
        rig_leave(&me);
    }
}

static uint64_t nasty(uint64_t *random)
{
    static const uint64_t words[] = {0,          1,          2,          3,          ~0ull,      ~1ull,
                                     1ull << 62, 1ull << 63, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF};
    uint64_t dice = rig_random(random);
    switch (dice % 5) {
    case 0:
        return words[dice / 5 % (sizeof words / sizeof *words)];
    case 1: /* a claim of somebody who may well be there, with any flags */
        return (dice >> 8 & 7u) | (dice >> 16 & 7u) << 12 | (dice >> 24 & 3u) << 30;
    case 2: /* an event's word in an early lap, in any state, of anybody */
        return (dice >> 8 & 3u) << 24 | (dice >> 16 & 7u) << 2 | (dice >> 24 & 3u);
    case 3: /* a link to a near slot: a cycle sooner or later */
        return dice >> 8 & 7u;
    default:
        return dice;
    }
}

static void be_scribbler(const unsigned char *pristine, uint64_t seed)
{
    uint64_t random = seed;
    while (!atomic_load(&shared->stop)) {
        /* Healed now and then, so that the users come further than to the door. */
        memcpy(region_file.memory, pristine, region_file.size);
        uint64_t words = rig_random(&random) % 512;
        for (uint64_t i = 0; i < words; i++) {
            uint64_t dice = rig_random(&random), offset = (dice >> 16) % (region_file.size / 4) * 4;
            if (dice % 64) /* the header nearly always stands */
                offset = 320 + offset % (region_file.size - 320);
            uint64_t word = nasty(&random);
            if (dice % 5 == 0) /* what is right elsewhere */
                memcpy(&word, region_file.memory + (dice >> 24) % (region_file.size / 8) * 8, sizeof word);
            size_t bytes = dice & 128u && offset % 8 == 0 ? 8 : 4;
            memcpy(region_file.memory + offset, &word, bytes);
            shared->words++;
            if (dice % 4 == 0) {
                struct timespec breath = {0, (long)(dice >> 40) % 50000};
                (void)nanosleep(&breath, NULL);
            }
        }
    }
}

int main(int count, char **arguments)
{
    uint64_t seconds = 20, seed = now_ns();
    for (int i = 1; i + 1 < count + 1; i++) {
        uint64_t *into = strcmp(arguments[i], "--seconds") == 0 ? &seconds
                         : strcmp(arguments[i], "--seed") == 0  ? &seed
                                                                : NULL;
        if (!into || i + 1 >= count) {
            (void)fprintf(stderr, "usage: scribble [--seconds N] [--seed N]\n");
            return 2;
        }
        *into = strtoull(arguments[++i], NULL, 10);
    }
    (void)printf("seed %llu\n", (unsigned long long)seed);
    cs_config config = rig_config();
    member first;
    rig_open(&region_file, &config);
    rig_format(&region_file);
    NEED(rig_join(&region_file, &first, 0) == CS_OK);
    visit_furnish(&first.region);
    rig_leave(&first);
    unsigned char *pristine = malloc(region_file.size);
    NEED(pristine);
    memcpy(pristine, region_file.memory, region_file.size);
    shared = rig_share(sizeof *shared);
    (void)fflush(NULL);
    pid_t children[USERS + 1];
    uint64_t random = seed;
    for (uint32_t i = 0; i <= USERS; i++) {
        uint64_t own = rig_random(&random);
        children[i] = fork();
        NEED(children[i] >= 0);
        if (children[i] == 0) {
            rig_doing(i < USERS ? "user %u" : "scribbler %u", i);
            if (i < USERS)
                be_user(i, own);
            else
                be_scribbler(pristine, own);
            exit(0);
        }
    }
    uint64_t seen[USERS] = {0}, since[USERS], begun = now_ns(), calls = 0, attached = 0, refused = 0;
    for (uint32_t i = 0; i < USERS; i++)
        since[i] = begun;
    while (now_ns() - begun < seconds * 1000000000u && !rig_faults) {
        struct timespec tick = {0, 100000000};
        int status;
        (void)nanosleep(&tick, NULL);
        for (uint32_t i = 0; i <= USERS; i++)
            if (waitpid(children[i], &status, WNOHANG) != 0) {
                rig_fault(__FILE__, __LINE__, "process %u ends with %#x", i, (unsigned)status);
                children[i] = 0;
                break;
            }
        for (uint32_t i = 0; i < USERS; i++) {
            uint64_t now = now_ns(), calls_now = shared->calls[i];
            since[i] = calls_now == seen[i] ? since[i] : now;
            seen[i] = calls_now;
            EXPECT(now - since[i] < HANG_SECONDS * 1000000000ull, "user %u has been in one call for %u s", i,
                   HANG_SECONDS);
        }
    }
    atomic_store(&shared->stop, 1);
    for (uint32_t i = 0; i <= USERS; i++) {
        int status = 0;
        if (!children[i])
            continue;
        if (rig_faults)
            (void)kill(children[i], SIGKILL);
        NEED(waitpid(children[i], &status, 0) == children[i]);
        EXPECT(rig_faults || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "process %u ends with %#x", i,
               (unsigned)status);
    }
    for (uint32_t i = 0; i < USERS; i++) {
        calls += shared->calls[i];
        attached += shared->attached[i];
        refused += shared->refused[i];
    }
    EXPECT(calls > 0 && attached > 0, "%llu calls after %llu attaches", (unsigned long long)calls,
           (unsigned long long)attached);
    (void)printf("%llu calls under %llu scribbled words; %llu times attached, %llu refused; %llu faults\n",
                 (unsigned long long)calls, (unsigned long long)shared->words, (unsigned long long)attached,
                 (unsigned long long)refused, (unsigned long long)rig_faults);
    free(pristine);
    rig_close(&region_file);
    return rig_faults ? 1 : 0;
}
