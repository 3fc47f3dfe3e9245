/*
 * points.c: a process dies before each store to the region in turn, of each operation; what it leaves is judged
 * before and after somebody else has cleared up, and so is what a clearer leaves who dies of that.
 *
 *   points [--only OPERATION] [--part N/OF]
 */
#define _GNU_SOURCE
#include "check.h"
#include "operations.h"
#include "tap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Stores a survivor may need to clear up after one dead process in a region of rig_config's size. */
#define CLEARING_BOUND 400u
#define DIRECT_BOUND 500u

static bool counting;
static uint64_t steps, last_step;
static int last_signal = SIGKILL;

/* Called by the core before each store. */
void cs_crash_point(void);
void cs_crash_point(void)
{
    if (counting && ++steps == last_step)
        (void)kill(getpid(), last_signal);
}

/* And before each load, which nobody dies of. */
void cs_read_point(void);
void cs_read_point(void) {}

static void count_to(uint64_t last)
{
    steps = 0;
    last_step = last;
    counting = true;
}

static uint64_t counted(void)
{
    counting = false;
    return steps;
}

/* -- one trial ------------------------------------------------------------------------------ */

/*
 * What follows the writer's death. Of the last two the writer is stopped there and not killed: while the ring turns
 * over he is passed over, and then he goes on, or is killed after all.
 */
enum mode { BY_SWEEP, BY_USE, LATE, STOPPED_AND_CONTINUED, STOPPED_AND_KILLED, BY_ONE_WHO_DIES, MODES };
static const char *const mode_names[MODES] = {
    "swept", "used", "swept late", "stopped and continued", "stopped and killed", "swept by one who dies"};

static rig region_file;
static stage *shared;
static member survivor;
static tap watcher;
static uint64_t trials, points, nested_points, most_steps, most_direct, longest_ns;

static uint64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool dies_of(const operation *o, int (*deed)(cs_region *, stage *), uint64_t point, uint64_t before);

/* The child's life: attach, and end at store `point` of the deed, or get through. */
static void live(const operation *o, int (*deed)(cs_region *, stage *), uint64_t point, uint64_t before)
{
    member me;
    bool coming = strcmp(o->name, "attach") == 0;
    rig_faults = 0;
    rig_forget(&survivor);
    if (coming)
        count_to(point);
    if (rig_join(&region_file, &me, 0) != CS_OK)
        _exit(3);
    if (o->prepare && deed == o->run)
        o->prepare(&me.region, shared);
    if (before) {
        survivor = me; /* whose description the grandchild is to forget */
        (void)dies_of(o, o->before, before, 0);
    }
    if (!coming)
        count_to(point);
    int result = deed(&me.region, shared);
    (void)counted();
    if (result < 0)
        _exit(4);
    if (deed == o->run)
        shared->result = 1;
    _exit(rig_faults ? 5 : 0);
}

/* True when the child got through alive. */
static bool got_through(pid_t child)
{
    int status;
    NEED(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        EXPECT(WTERMSIG(status) == SIGKILL, "the writer ends by signal %d", WTERMSIG(status));
        return false;
    }
    EXPECT(WEXITSTATUS(status) == 0, "the writer ends with %d", WEXITSTATUS(status));
    return true;
}

/*
 * In a child: attach, and die at store `point` of the operation; true when it gets through alive. With `before`,
 * another one dies at that point of what comes before it, once the child is there.
 */
static bool dies_of(const operation *o, int (*deed)(cs_region *, stage *), uint64_t point, uint64_t before)
{
    (void)fflush(NULL);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0)
        live(o, deed, point, before);
    return got_through(child);
}

/* In a child: attach, which sweeps, and sweep; dies at store `point` of that. */
static bool clearer_dies_at(uint64_t point)
{
    (void)fflush(NULL);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        member me;
        rig_faults = 0;
        rig_forget(&survivor);
        count_to(point);
        int result = rig_join(&region_file, &me, 0);
        if (result == CS_OK)
            result = cs_sweep(&me.region);
        _exit(result < 0 ? 4 : 0);
    }
    int status;
    NEED(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0, "the clearer ends with %#x",
           (unsigned)status);
    return !WIFSIGNALED(status);
}

static enum seen look_from_outside(const operation *o)
{
    member reader;
    NEED(rig_join(&region_file, &reader, CS_READ_ONLY) == CS_OK);
    enum seen seen = o->look(&reader.region, shared);
    rig_leave(&reader);
    EXPECT(seen != SEEN_HALF, "a reader sees half of it");
    return seen;
}

static void clear_up(void)
{
    uint64_t begun = now();
    count_to(0);
    int result = cs_sweep(&survivor.region);
    uint64_t needed = counted(), took = now() - begun;
    EXPECT(result >= 0, "the sweep gives %s", cs_strerror(result));
    EXPECT(needed <= CLEARING_BOUND, "clearing up took %llu stores", (unsigned long long)needed);
    most_steps = needed > most_steps ? needed : most_steps;
    longest_ns = took > longest_ns ? took : longest_ns;
}

/* The survivor does the same, with nobody having cleared up: it may be told no, but not be kept waiting. */
static void use(const operation *o)
{
    count_to(0);
    int result = o->run(&survivor.region, shared);
    uint64_t needed = counted();
    EXPECT(result >= CS_OK || result == CS_E_EXISTS || result == CS_E_STALE || result == CS_E_LIMIT,
           "the survivor's own gives %s", cs_strerror(result));
    EXPECT(needed <= DIRECT_BOUND, "the survivor's own took %llu stores", (unsigned long long)needed);
    most_direct = needed > most_direct ? needed : most_direct;
}

/* The world goes on before anybody clears up: the ring turns over, and budgets are used. */
static void grow_old(uint32_t kind)
{
    cs_handle reservation;
    cs_budget_info info;
    for (uint32_t i = 0; i < 3 * region_file.config.events; i++) {
        EXPECT(cs_event_publish(&survivor.region, kind, CS_FORMAT_NONE, 0, 0, 0) == CS_OK, "publish");
        tap_catch_up(&watcher, &survivor.region);
    }
    if (cs_budget_get(&survivor.region, shared->other, &info) == CS_OK && info.limit == 500) {
        for (uint32_t i = 0; i < region_file.config.reservations - 2; i++)
            EXPECT(cs_budget_reserve(&survivor.region, shared->other, 50, &reservation) == CS_OK, "reserve");
        EXPECT(cs_budget_get(&survivor.region, shared->other, &info) == CS_OK, "the other budget");
        shared->steps = info.reserved;
    }
}

static void ends_well(void)
{
    cs_budget_info info;
    check_region(&survivor);
    if (shared->steps && cs_budget_get(&survivor.region, shared->other, &info) == CS_OK)
        EXPECT(info.reserved == shared->steps, "%llu reserved of the other budget, of %llu",
               (unsigned long long)info.reserved, (unsigned long long)shared->steps);
    tap_settle(&watcher, &survivor.region);
    check_room(&survivor);
    tap_settle(&watcher, &survivor.region);
    check_region(&survivor);
}

/* The writer is stopped at his point while the world goes on; true when he got through without. */
static bool is_stopped_at(const operation *o, uint64_t point, enum mode mode, uint32_t kind)
{
    int status;
    (void)fflush(NULL);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        last_signal = SIGSTOP;
        live(o, o->run, point, 0);
    }
    NEED(waitpid(child, &status, WUNTRACED) == child);
    if (!WIFSTOPPED(status)) {
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer ends with %#x", (unsigned)status);
        return true;
    }
    grow_old(kind);
    NEED(kill(child, mode == STOPPED_AND_KILLED ? SIGKILL : SIGCONT) == 0);
    (void)got_through(child);
    return false;
}

/* True when the writer (or, for BY_ONE_WHO_DIES, the clearer) got through. */
static bool trial(const operation *o, uint64_t before, uint64_t point, enum mode mode, uint64_t clearer)
{
    uint32_t kind;
    bool through;
    trials++;
    memset(shared, 0, sizeof *shared);
    rig_format(&region_file);
    NEED(rig_join(&region_file, &survivor, 0) == CS_OK);
    NEED(cs_kind_open(&survivor.region, "age", CS_NUL, &kind) == CS_OK);
    if (o->setup)
        o->setup(&survivor.region, shared);
    tap_open(&watcher, &survivor.region);
    if (mode == STOPPED_AND_CONTINUED || mode == STOPPED_AND_KILLED)
        through = is_stopped_at(o, point, mode, kind);
    else
        through = dies_of(o, o->run, point, before);
    enum seen seen = look_from_outside(o);
    if (mode == BY_USE)
        use(o);
    if (mode == LATE)
        grow_old(kind);
    if (mode == BY_ONE_WHO_DIES)
        through = clearer_dies_at(clearer);
    clear_up();
    enum seen later = look_from_outside(o);
    EXPECT(seen != SEEN_ALL || later == SEEN_ALL, "it was there and is no more");
    EXPECT(!shared->result || later == SEEN_ALL || later == SEEN_SOUND, "it returned and is not there");
    ends_well();
    rig_leave(&survivor);
    return through;
}

static bool is_farewell(const operation *o)
{
    return strcmp(o->name, "detach") == 0; /* a survivor that detaches is none */
}

static uint64_t judge(const operation *o, uint64_t before)
{
    uint64_t point = 1;
    for (;; point++) {
        rig_doing("%s, point %llu%s", o->name, (unsigned long long)point, before ? " (after another death)" : "");
        bool through = false;
        for (enum mode mode = BY_SWEEP; mode < BY_ONE_WHO_DIES; mode++) {
            bool stopping = mode == STOPPED_AND_CONTINUED || mode == STOPPED_AND_KILLED;
            if ((mode == BY_USE && is_farewell(o)) || (stopping && before))
                continue;
            rig_doing("%s, point %llu%s%.0llu, %s", o->name, (unsigned long long)point,
                      before ? " after a death at " : "", (unsigned long long)before, mode_names[mode]);
            through = trial(o, before, point, mode, 0);
        }
        for (uint64_t clearer = 1, done = 0; !before && !done; clearer++) {
            rig_doing("%s, point %llu, cleared by one who dies at %llu", o->name, (unsigned long long)point,
                      (unsigned long long)clearer);
            done = trial(o, before, point, BY_ONE_WHO_DIES, clearer);
            nested_points += !done;
        }
        if (through)
            break;
    }
    return point - 1;
}

static void judge_operation(const operation *o)
{
    uint64_t found = 0, befores = 1;
    if (!o->before) {
        found = judge(o, 0);
    } else {
        for (;; befores++) {
            found += judge(o, befores);
            /* The one before has got through when one more point changes nothing. */
            memset(shared, 0, sizeof *shared);
            rig_format(&region_file);
            NEED(rig_join(&region_file, &survivor, 0) == CS_OK);
            if (o->setup)
                o->setup(&survivor.region, shared);
            bool through = dies_of(o, o->before, befores, 0);
            rig_leave(&survivor);
            if (through)
                break;
        }
    }
    points += found;
    (void)printf("   %-40s %6llu points%s\n", o->name, (unsigned long long)found,
                 o->before ? ", over all points of the death before" : "");
}

/* -- making a region ------------------------------------------------------------------------ */

/* Until the last store of format nothing can attach, and the next one can begin again. */
static void judge_format(void)
{
    for (uint64_t point = 1;; point++) {
        rig_doing("format, point %llu", (unsigned long long)point);
        memset(region_file.memory, 0, region_file.size);
        trials++;
        (void)fflush(NULL);
        pid_t child = fork();
        NEED(child >= 0);
        if (child == 0) {
            count_to(point);
            _exit(cs_region_format(region_file.memory, region_file.size, &region_file.config, CS_ZEROED) == CS_OK ? 0
                                                                                                                  : 4);
        }
        int status;
        NEED(waitpid(child, &status, 0) == child);
        int found = cs_region_probe(region_file.memory, region_file.size, 0);
        if (!WIFSIGNALED(status)) {
            EXPECT(WEXITSTATUS(status) == 0 && found == CS_OK, "a whole one gives %s", cs_strerror(found));
            points += point - 1;
            (void)printf("   %-40s %6llu points\n", "format", (unsigned long long)point - 1);
            return;
        }
        EXPECT(found == CS_E_NOT_READY || found == CS_E_NOT_REGION, "half a region gives %s", cs_strerror(found));
        rig_format(&region_file);
        NEED(rig_join(&region_file, &survivor, 0) == CS_OK);
        tap_open(&watcher, &survivor.region);
        ends_well();
        rig_leave(&survivor);
    }
}

int main(int count, char **arguments)
{
    const char *only = NULL;
    unsigned part = 0, parts = 1;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--only") == 0 && i + 1 < count) {
            only = arguments[++i];
        } else if (strcmp(arguments[i], "--part") == 0 && i + 1 < count &&
                   sscanf(arguments[i + 1], "%u/%u", &part, &parts) == 2 && parts && part < parts) {
            i++;
        } else {
            (void)fprintf(stderr, "usage: points [--only OPERATION] [--part N/OF]\n");
            return 2;
        }
    }
    cs_config config = rig_config();
    rig_open(&region_file, &config);
    shared = rig_share(sizeof *shared);
    if (!only && part == 0)
        judge_format();
    for (unsigned i = 0; operations[i].name; i++)
        if (only ? strcmp(only, operations[i].name) == 0 : i % parts == part)
            judge_operation(&operations[i]);
    (void)printf("%llu crash points and %llu of clearing up, in %llu trials; at most %llu stores to clear up and %llu "
                 "to do it again; the longest sweep took %llu us; %llu faults\n",
                 (unsigned long long)points, (unsigned long long)nested_points, (unsigned long long)trials,
                 (unsigned long long)most_steps, (unsigned long long)most_direct, (unsigned long long)longest_ns / 1000,
                 (unsigned long long)rig_faults);
    rig_close(&region_file);
    return rig_faults ? 1 : 0;
}
