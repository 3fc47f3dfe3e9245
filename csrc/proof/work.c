#include "work.h"

#include <stdio.h>
#include <string.h>

/* Everything a worker works with in one life. */
typedef struct life {
    cs_region *region;
    work_shared *shared;
    work_log *log;
    uint32_t worker;
    uint64_t random;
    uint32_t kind;
    cs_handle counters[COUNTERS], locks[LOCKS], budgets[BUDGETS], area;
    cs_handle agent; /* 0: none */
    uint32_t agents_made;
    cs_subscription events;
} life;

cs_config work_config(void)
{
    cs_config config = rig_config();
    config.agents = 48;
    config.areas = 8;
    config.counters = 32;
    config.locks = 16;
    config.events = 4096;
    config.participants = 24;
    config.agent_details_bytes = 96;
    config.budgets = 8;
    config.reservations = 32;
    config.values = 32;
    config.line_bytes = 64;
    return config;
}

static const char *const counter_names[COUNTERS] = {"a", "b", "c", "d", "e", "f"};
static const char *const lock_names[LOCKS] = {"one", "two", "three"};
static const char *const budget_names[BUDGETS] = {"small", "middle", "large"};

uint64_t work_check(const work_event *event)
{
    uint64_t state = event->worker * 1000003u + event->number;
    return rig_random(&state);
}

/* What a call may give in the thick of it. BUSY is counted: somebody alive was not scheduled for a second. */
static bool went(life *l, int result, const char *what)
{
    if (result == CS_E_BUSY)
        l->log->busy++;
    EXPECT(result >= CS_OK || result == CS_E_BUSY || result == CS_E_INTERRUPTED, "%s gives %s", what,
           cs_strerror(result));
    return result >= CS_OK;
}

uint32_t work_prepare(cs_region *region)
{
    cs_handle handle;
    uint32_t kind;
    for (uint32_t i = 0; i < COUNTERS; i++)
        NEED(cs_counter_open(region, counter_names[i], CS_NUL, &handle) == CS_OK);
    for (uint32_t i = 0; i < LOCKS; i++)
        NEED(cs_lock_open(region, lock_names[i], CS_NUL, &handle) == CS_OK);
    for (uint32_t i = 0; i < BUDGETS; i++) {
        NEED(cs_budget_open(region, budget_names[i], CS_NUL, &handle) == CS_OK);
        NEED(cs_budget_set_limit(region, handle, 1ull << 60) == CS_OK);
    }
    NEED(cs_area_open(region, "cortex", CS_NUL, &handle) == CS_OK);
    NEED(cs_kind_open(region, "work", CS_NUL, &kind) == CS_OK);
    return kind;
}

static void find_names(life *l)
{
    for (uint32_t i = 0; i < COUNTERS; i++)
        (void)went(l, cs_counter_open(l->region, counter_names[i], CS_NUL, &l->counters[i]), "counter open");
    for (uint32_t i = 0; i < LOCKS; i++)
        (void)went(l, cs_lock_open(l->region, lock_names[i], CS_NUL, &l->locks[i]), "lock open");
    for (uint32_t i = 0; i < BUDGETS; i++)
        (void)went(l, cs_budget_open(l->region, budget_names[i], CS_NUL, &l->budgets[i]), "budget open");
    (void)went(l, cs_area_open(l->region, "cortex", CS_NUL, &l->area), "area open");
    (void)went(l, cs_kind_open(l->region, "work", CS_NUL, &l->kind), "kind open");
    (void)went(l, cs_subscribe(l->region, &l->events, CS_FOREVER), "subscribe");
}

/* -- deeds ---------------------------------------------------------------------------------- */

static void add(life *l, uint32_t pick)
{
    ledger *book = &l->log->adds[pick % COUNTERS];
    uint64_t value, n = 1 + pick % 7;
    book->begun += n;
    if (went(l, cs_counter_add(l->region, l->counters[pick % COUNTERS], (int64_t)n, &value), "counter add"))
        book->done += n;
}

static void publish(life *l, uint32_t pick)
{
    work_event event = {.worker = l->worker, .number = ++l->log->published.begun};
    uint64_t sequence;
    (void)pick;
    event.check = work_check(&event);
    if (went(l, cs_event_publish(l->region, l->kind, CS_FORMAT_BYTES, &event, sizeof event, &sequence), "publish"))
        l->log->published.done++;
}

static void set_state(life *l, uint32_t pick)
{
    uint32_t state = pick % CS_STATES, value = pick / CS_STATES % (cs_engine_state_max(state) + 1);
    (void)went(l, cs_engine_set_state(l->region, state, value), "set state");
    (void)went(l, cs_engine_add(l->region, CS_BURST_COUNT, 1, 0), "engine add");
}

static uint32_t make_details(char text[96], uint64_t number)
{
    uint64_t state = number;
    uint32_t length = 16 + (uint32_t)(rig_random(&state) % 80);
    memcpy(text, &number, sizeof number);
    for (uint32_t i = 8; i < length; i++)
        text[i] = (char)rig_random(&state);
    return length;
}

static void come_and_go(life *l, uint32_t pick)
{
    char id[32], text[96];
    if (l->agent && pick % 4 == 0) {
        int result = cs_agent_deregister(l->region, l->agent, CS_REASON_DEREGISTERED);
        EXPECT(result != CS_E_STALE, "an agent nobody else removes is gone");
        if (went(l, result, "deregister"))
            l->agent = 0;
    } else if (l->agent) {
        uint32_t status = pick / 4 % CS_AGENT_STATUSES, changed;
        int result = cs_agent_set_status(l->region, l->agent, status, &changed);
        (void)went(l, result == CS_E_TRANSITION ? CS_OK : result, "set status");
        cs_details details = {.metadata = text, .metadata_length = make_details(text, pick)};
        (void)went(l, cs_agent_set_details(l->region, l->agent, &details), "set details");
    } else {
        (void)snprintf(id, sizeof id, "worker %u of %u", l->worker, l->agents_made++ % 3);
        cs_details details = {.metadata = text, .metadata_length = make_details(text, pick)};
        int result = cs_agent_register(l->region, id, CS_NUL, CS_AGENT_BOTH, &details, &l->agent);
        if (result == CS_E_EXISTS) { /* of an earlier life of this worker: nobody else's now */
            if (cs_agent_find(l->region, id, CS_NUL, &l->agent) != CS_OK)
                l->agent = 0;
        } else if (!went(l, result, "register")) {
            l->agent = 0;
        }
    }
}

/* Whoever it is, what is read of it is whole. */
static void read_agents(life *l, uint32_t pick)
{
    cs_agent_row rows[48];
    cs_agent_info info;
    char text[96], expected[96];
    uint32_t count;
    (void)went(l, cs_agents_export(l->region, rows, 48, &count), "export");
    if (!count)
        return;
    int result = cs_agent_get(l->region, rows[pick % count].handle, &info, text, sizeof text);
    if (result == CS_E_STALE || !went(l, result, "agent get"))
        return;
    uint64_t number;
    memcpy(&number, text, sizeof number);
    EXPECT(info.metadata_length >= 16 && make_details(expected, number) == info.metadata_length &&
               memcmp(text, expected, info.metadata_length) == 0,
           "the details of %s are not what anybody wrote", info.id);
}

static void guard(life *l, uint32_t pick)
{
    guarded *g = &l->shared->guarded[pick % LOCKS];
    cs_handle lock = l->locks[pick % LOCKS];
    int result = cs_lock_acquire(l->region, CS_SECTION_LOCKS, lock, 20000000000u);
    if (!went(l, result, "lock acquire"))
        return;
    if (result == CS_INHERITED) {
        l->log->inherited++;
        g->right = g->left;
    }
    EXPECT(g->left == g->right, "%llu and %llu under a lock that was not inherited", (unsigned long long)g->left,
           (unsigned long long)g->right);
    g->left++;
    for (uint32_t i = 0; pick % 8 == 0 && i < 32; i++) /* long enough for some to be killed in here */
        read_agents(l, pick >> 3);
    g->right++;
    (void)went(l, cs_lock_release(l->region, CS_SECTION_LOCKS, lock), "lock release");
}

static void spend(life *l, uint32_t pick)
{
    ledger *book = &l->log->spent[pick % BUDGETS];
    uint64_t amount = 1 + pick % 90;
    cs_handle reservation;
    int result = cs_budget_reserve(l->region, l->budgets[pick % BUDGETS], 100, &reservation);
    if (result == CS_E_FULL || !went(l, result, "reserve"))
        return;
    if (pick % 5 == 0) {
        (void)went(l, cs_budget_cancel(l->region, reservation), "cancel");
        return;
    }
    book->begun += amount;
    if (went(l, cs_budget_commit(l->region, reservation, amount), "commit"))
        book->done += amount;
}

static void use_values(life *l, uint32_t pick)
{
    char key[8], text[48];
    cs_value_info info;
    uint32_t lock, length = (uint32_t)snprintf(key, sizeof key, "k%u", pick % 40);
    if (pick % 3) {
        int result = cs_value_get(l->region, 1, key, length, text, sizeof text, &info);
        if (result == CS_OK)
            EXPECT(info.length == 24 && memcmp(text, text + 8, 8) == 0 && memcmp(text, text + 16, 8) == 0 &&
                       memcmp(text, &info.version, 8) == 0,
                   "value %s is half one and half another", key);
        return;
    }
    int result = cs_value_lock_of(l->region, key, length, &lock);
    EXPECT(result == CS_OK, "lock of a key");
    if (!went(l, cs_value_lock(l->region, lock, 20000000000u), "value lock"))
        return;
    info = (cs_value_info){.version = rig_random(&l->random), .length = 24};
    for (int i = 0; i < 3; i++)
        memcpy(text + 8 * i, &info.version, 8);
    (void)went(l, cs_value_mark(l->region, key, length), "value mark");
    (void)went(l, cs_value_publish(l->region, 1, key, length, text, &info, 0), "value publish");
    (void)went(l, cs_value_unlock(l->region, lock), "value unlock");
}

/* A name everybody makes and removes. */
static void churn(life *l, uint32_t pick)
{
    cs_handle handle;
    uint64_t value;
    char name[16];
    (void)snprintf(name, sizeof name, "temporary %u", pick % 5);
    if (!went(l, cs_counter_open(l->region, name, CS_NUL, &handle), "counter open"))
        return;
    int result = cs_counter_add(l->region, handle, 1, &value);
    (void)went(l, result == CS_E_STALE ? CS_OK : result, "counter add");
    result = cs_counter_remove(l->region, handle);
    (void)went(l, result == CS_E_STALE ? CS_OK : result, "counter remove");
}

static void look_around(life *l, uint32_t pick)
{
    cs_health health;
    unsigned char row[512];
    uint32_t count;
    if (pick % 8 == 0) {
        (void)went(l, cs_health_read(l->region, CS_FOREVER, &health), "health");
    } else if (pick % 8 == 1) {
        int result = cs_events_wait(l->region, &l->events, 1000000);
        (void)went(l, result == CS_E_TIMEOUT ? CS_OK : result, "wait");
    } else if (pick % 8 == 2) {
        int result = cs_sweep(l->region);
        (void)went(l, result, "sweep");
    } else if (pick % 8 == 3) {
        uint64_t value;
        int result = cs_counter_wait(l->region, l->counters[0], 0, 1000000, &value);
        (void)went(l, result == CS_E_TIMEOUT ? CS_OK : result, "counter wait");
    }
    for (int i = 0; i < 8; i++)
        (void)went(l, cs_events_drain(l->region, &l->events, row, sizeof row, 1, &count), "drain");
    (void)went(l, cs_area_add(l->region, l->area, CS_AREA_NEURON_COUNT, 1, 0), "area add");
}

void work(cs_region *region, work_shared *shared, uint32_t worker, uint64_t seed)
{
    static void (*const deeds[])(life *, uint32_t) = {add,         publish, set_state,  come_and_go, read_agents,
                                                      guard,       spend,   use_values, churn,       look_around,
                                                      come_and_go, add,     publish};
    life l = {.region = region, .shared = shared, .log = &shared->logs[worker], .worker = worker, .random = seed};
    rig_doing("worker %u", worker);
    find_names(&l);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        uint64_t random = rig_random(&l.random);
        deeds[(uint32_t)random % (sizeof deeds / sizeof *deeds)](&l, (uint32_t)(random >> 32));
        l.log->deeds++;
    }
}
