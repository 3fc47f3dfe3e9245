/*
 * load.c: processes at full speed in one region, killed at random instants and begun again; some are stopped for a
 * while instead. At the end the books must balance: every committed addition and payment is there, no event out of
 * order, no lock with the dead, nothing grown.
 *
 *   load [--kills N | --seconds N] [--stops] [--seed N]
 */
#define _GNU_SOURCE
#include "check.h"
#include "tap.h"
#include "work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long number;

static rig region_file;
static member supervisor;
static work_shared *shared;
static tap watcher;
static pid_t workers[WORKERS];
static uint64_t last_number[WORKERS];
static uint32_t work_kind;

static uint64_t now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Each worker's own events come in the order it published them, each once and whole. */
static void judge_event(const cs_event *event, const unsigned char *data)
{
    work_event work;
    if (event->kind != work_kind)
        return;
    memcpy(&work, data, sizeof work);
    EXPECT(event->length == sizeof work && work.check == work_check(&work) && work.worker < WORKERS,
           "event %llu is not whole", (number)event->sequence);
    if (work.worker >= WORKERS)
        return;
    EXPECT(work.number > last_number[work.worker], "event %llu is worker %llu's %llu, after its %llu",
           (number)event->sequence, (number)work.worker, (number)work.number, (number)last_number[work.worker]);
    last_number[work.worker] = work.number;
}

static void begin(uint32_t worker, uint64_t seed)
{
    (void)fflush(NULL);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        member me;
        rig_faults = 0;
        rig_forget(&supervisor);
        (void)nice(10); /* so that the supervisor gets to kill on a machine with few cores */
        int result = rig_join(&region_file, &me, 0);
        EXPECT(result == CS_OK, "attach gives %s", cs_strerror(result));
        if (result == CS_OK) {
            work(&me.region, shared, worker, seed);
            rig_leave(&me);
        }
        shared->logs[worker].faults += rig_faults;
        _exit(rig_faults ? 1 : 0);
    }
    workers[worker] = child;
}

static void expect_end(uint32_t worker, bool killed)
{
    int status;
    NEED(waitpid(workers[worker], &status, 0) == workers[worker]);
    bool well = killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : WIFEXITED(status) && !WEXITSTATUS(status);
    EXPECT(well || (killed && WIFEXITED(status) && !WEXITSTATUS(status)), "worker %u ends with %#x", worker,
           (unsigned)status);
}

/* Everything in the logs of all lives of all workers lies around what the region says. */
static void balance(const char *what, uint64_t found, uint64_t begun, uint64_t done, uint64_t most_in_flight)
{
    EXPECT(found >= done, "%s: %llu of %llu that were done", what, (number)found, (number)done);
    EXPECT(found <= begun, "%s: %llu, and only %llu begun", what, (number)found, (number)begun);
    EXPECT(begun - done <= most_in_flight, "%s: %llu begun and %llu done", what, (number)begun, (number)done);
}

static void check_books(uint64_t kills)
{
    static const char *const counters[] = {"a", "b", "c", "d", "e", "f"};
    static const char *const budgets[] = {"small", "middle", "large"};
    for (uint32_t i = 0; i < COUNTERS + BUDGETS; i++) {
        uint64_t begun = 0, done = 0, value = 0;
        cs_handle handle;
        for (uint32_t w = 0; w < WORKERS; w++) {
            const ledger *l = i < COUNTERS ? &shared->logs[w].adds[i] : &shared->logs[w].spent[i - COUNTERS];
            begun += l->begun;
            done += l->done;
        }
        if (i < COUNTERS) {
            NEED(cs_counter_find(&supervisor.region, counters[i], CS_NUL, &handle) == CS_OK);
            NEED(cs_counter_get(&supervisor.region, handle, &value) == CS_OK);
            balance(counters[i], value, begun, done, 7 * (kills + WORKERS));
        } else {
            cs_budget_info info;
            NEED(cs_budget_find(&supervisor.region, budgets[i - COUNTERS], CS_NUL, &handle) == CS_OK);
            NEED(cs_budget_get(&supervisor.region, handle, &info) == CS_OK);
            balance(budgets[i - COUNTERS], info.spent, begun, done, 90 * (kills + WORKERS));
            EXPECT(info.reserved == 0, "%s: %llu reserved", budgets[i - COUNTERS], (number)info.reserved);
        }
    }
    for (uint32_t i = 0; i < LOCKS; i++) {
        const guarded *g = &shared->guarded[i];
        EXPECT(g->left == g->right || g->left == g->right + 1, "lock %u guards %llu and %llu", i, (number)g->left,
               (number)g->right);
    }
}

/* After all have ended: clear up, and nothing may be left that was not there at the beginning. */
static void check_end(uint64_t kills)
{
    uint32_t before, named;
    rig_doing("the end");
    NEED(cs_sweep(&supervisor.region) >= 0);
    check_region(&supervisor);
    tap_settle(&watcher, &supervisor.region);
    check_books(kills);
    EXPECT(cs_agents_reap(&supervisor.region, CS_FOREVER, 1) >= 0, "reaping");
    tap_settle(&watcher, &supervisor.region);
    EXPECT(cs_names_count(&supervisor.region, CS_SECTION_AGENTS, &before) == CS_OK && before == 0,
           "%u agents of the dead are left", before);
    EXPECT(cs_names_count(&supervisor.region, CS_SECTION_COUNTERS, &named) == CS_OK && named <= COUNTERS + 5,
           "%u counters", named);
    check_room(&supervisor);
    check_region(&supervisor);
}

static void pause_for(uint64_t ns)
{
    struct timespec time = {0, (long)ns};
    (void)nanosleep(&time, NULL);
}

int main(int count, char **arguments)
{
    uint64_t kills_wanted = 2000, seconds = 0, seed = now_ns(), kills = 0, stops = 0;
    bool stopping = false;
    for (int i = 1; i < count; i++) {
        uint64_t *into = strcmp(arguments[i], "--kills") == 0     ? &kills_wanted
                         : strcmp(arguments[i], "--seconds") == 0 ? &seconds
                         : strcmp(arguments[i], "--seed") == 0    ? &seed
                                                                  : NULL;
        if (into && i + 1 < count) {
            *into = strtoull(arguments[++i], NULL, 10);
        } else if (strcmp(arguments[i], "--stops") == 0) {
            stopping = true;
        } else {
            (void)fprintf(stderr, "usage: load [--kills N | --seconds N] [--stops] [--seed N]\n");
            return 2;
        }
    }
    (void)printf("seed %llu\n", (number)seed);
    cs_config config = work_config();
    rig_open(&region_file, &config);
    rig_format(&region_file);
    shared = rig_share(sizeof *shared);
    NEED(rig_join(&region_file, &supervisor, 0) == CS_OK);
    work_kind = work_prepare(&supervisor.region);
    tap_open(&watcher, &supervisor.region);
    watcher.judge_user = judge_event;
    uint64_t random = seed, begun = now_ns();
    for (uint32_t w = 0; w < WORKERS; w++)
        begin(w, rig_random(&random));
    while (seconds ? now_ns() - begun < seconds * 1000000000u : kills < kills_wanted) {
        uint32_t worker = (uint32_t)(rig_random(&random) % WORKERS);
        pause_for(rig_random(&random) % 2000000);
        tap_drain(&watcher, &supervisor.region, 4096);
        if (stopping && rig_random(&random) % 4 == 0) {
            NEED(kill(workers[worker], SIGSTOP) == 0);
            pause_for(rig_random(&random) % 20000000);
            NEED(kill(workers[worker], SIGCONT) == 0);
            stops++;
            continue;
        }
        NEED(kill(workers[worker], SIGKILL) == 0);
        expect_end(worker, true);
        kills++;
        begin(worker, rig_random(&random));
    }
    atomic_store(&shared->stop, 1);
    uint64_t deeds = 0, inherited = 0, busy = 0, faults = 0;
    for (uint32_t w = 0; w < WORKERS; w++) {
        expect_end(w, false);
        deeds += shared->logs[w].deeds;
        inherited += shared->logs[w].inherited;
        busy += shared->logs[w].busy;
        faults += shared->logs[w].faults;
    }
    check_end(kills);
    (void)printf(
        "%llu kills, %llu stops, %llu deeds in %llu ms; %llu locks inherited, %llu times busy; %llu events, of "
        "which %llu read, %llu lost to a slow reader and %llu holes; %llu faults\n",
        (number)kills, (number)stops, (number)deeds, (number)(now_ns() - begun) / 1000000, (number)inherited,
        (number)busy, (number)cs_event_newest(&supervisor.region), (number)watcher.received, (number)watcher.s.lost,
        (number)watcher.s.holes, (number)(rig_faults + faults));
    rig_leave(&supervisor);
    rig_close(&region_file);
    return rig_faults || faults ? 1 : 0;
}
