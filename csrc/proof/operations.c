#include "operations.h"

#include <string.h>

#define NAME "subject"

static void must(int result) { EXPECT(result >= CS_OK, "%s in the preparation", cs_strerror(result)); }

/* -- agents --------------------------------------------------------------------------------- */

static const cs_details first = {"first capabilities", "tcp", "m1", 18, 3, 2};
static const cs_details second = {"2nd", "a longer transport", "", 3, 18, 0};

static bool is(const cs_agent_info *info, const char *bytes, const cs_details *d)
{
    return info->capabilities_length == d->capabilities_length && info->transport_length == d->transport_length &&
           info->metadata_length == d->metadata_length && memcmp(bytes, d->capabilities, d->capabilities_length) == 0 &&
           memcmp(bytes + d->capabilities_length, d->transport, d->transport_length) == 0;
}

/* A slot used before, a neighbour in the same bucket or not, and a free list to keep in order. */
static void some_agents(cs_region *region, stage *s)
{
    cs_handle gone, gone_too;
    must(cs_agent_register(region, "gone", CS_NUL, CS_AGENT_MOTOR, &second, &gone));
    must(cs_agent_register(region, "neighbour", CS_NUL, CS_AGENT_MOTOR, &second, &s->other));
    must(cs_agent_register(region, "gone too", CS_NUL, CS_AGENT_MOTOR, &second, &gone_too));
    must(cs_agent_deregister(region, gone, CS_REASON_DEREGISTERED));
    must(cs_agent_deregister(region, gone_too, CS_REASON_DEREGISTERED));
}

static void an_agent(cs_region *region, stage *s)
{
    some_agents(region, s);
    must(cs_agent_register(region, NAME, CS_NUL, CS_AGENT_SENSORY, &first, &s->handle));
    must(cs_agent_set_status(region, s->handle, CS_AGENT_RUNNING, 0));
}

static int run_register(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_agent_register(region, NAME, CS_NUL, CS_AGENT_SENSORY, &first, &handle);
}
static enum seen look_register(const cs_region *region, stage *s)
{
    cs_handle handle;
    cs_agent_info info;
    char bytes[64];
    (void)s;
    int result = cs_agent_find(region, NAME, CS_NUL, &handle);
    if (result == CS_E_NOT_FOUND)
        return SEEN_NOTHING;
    if (result != CS_OK || cs_agent_get(region, handle, &info, bytes, sizeof bytes) != CS_OK)
        return SEEN_HALF;
    bool whole = is(&info, bytes, &first) && info.type == CS_AGENT_SENSORY && info.status == CS_AGENT_STARTING &&
                 info.registered_ns && strcmp(info.id, NAME) == 0;
    return whole ? SEEN_ALL : SEEN_HALF;
}

static int run_deregister(cs_region *region, stage *s)
{
    return cs_agent_deregister(region, s->handle, CS_REASON_DEREGISTERED);
}
static enum seen look_deregister(const cs_region *region, stage *s)
{
    cs_agent_info info;
    char bytes[64];
    int result = cs_agent_get(region, s->handle, &info, bytes, sizeof bytes);
    if (result == CS_E_STALE)
        return SEEN_ALL;
    return result == CS_OK && is(&info, bytes, &first) ? SEEN_NOTHING : SEEN_HALF;
}

static int run_set_details(cs_region *region, stage *s) { return cs_agent_set_details(region, s->handle, &second); }
static enum seen look_set_details(const cs_region *region, stage *s)
{
    cs_agent_info info;
    char bytes[64];
    if (cs_agent_get(region, s->handle, &info, bytes, sizeof bytes) != CS_OK)
        return SEEN_HALF;
    return is(&info, bytes, &first) ? SEEN_NOTHING : is(&info, bytes, &second) ? SEEN_ALL : SEEN_HALF;
}

static int run_set_status(cs_region *region, stage *s)
{
    return cs_agent_set_status(region, s->handle, CS_AGENT_PAUSED, 0);
}
static enum seen look_set_status(const cs_region *region, stage *s)
{
    cs_agent_info info;
    if (cs_agent_get(region, s->handle, &info, 0, 0) != CS_OK)
        return SEEN_HALF;
    if (info.status == CS_AGENT_RUNNING && info.changes == 1)
        return SEEN_NOTHING;
    return info.status == CS_AGENT_PAUSED && info.changes == 2 ? SEEN_ALL : SEEN_HALF;
}

static void my_agents(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    must(cs_agent_register(region, "mine", CS_NUL, CS_AGENT_MOTOR, &second, &handle));
    must(cs_agent_register(region, "mine too", CS_NUL, CS_AGENT_MOTOR, 0, &handle));
}
static int run_reap(cs_region *region, stage *s)
{
    (void)s;
    return cs_agents_reap(region, 0, 0);
}
static enum seen look_reap(const cs_region *region, stage *s)
{
    uint32_t count;
    (void)s;
    return cs_names_count(region, CS_SECTION_AGENTS, &count) == CS_OK && count == 0 ? SEEN_ALL : SEEN_NOTHING;
}

/* -- the engine ----------------------------------------------------------------------------- */

static void a_state(cs_region *region, stage *s)
{
    (void)s;
    must(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_READY));
    must(cs_engine_set_state(region, CS_STATE_API, CS_SERVICE_READY));
}
static int run_set_state(cs_region *region, stage *s)
{
    (void)s;
    return cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING);
}
static enum seen look_set_state(const cs_region *region, stage *s)
{
    uint32_t state = cs_engine_state(region, CS_STATE_BURST);
    (void)s;
    return state == CS_BURST_READY ? SEEN_NOTHING : state == CS_BURST_RUNNING ? SEEN_ALL : SEEN_HALF;
}

static int run_set_service(cs_region *region, stage *s)
{
    (void)s;
    return cs_engine_set_state(region, CS_STATE_API, CS_SERVICE_ERROR);
}
static enum seen look_set_service(const cs_region *region, stage *s)
{
    uint32_t state = cs_engine_state(region, CS_STATE_API);
    (void)s;
    return state == CS_SERVICE_READY ? SEEN_NOTHING : state == CS_SERVICE_ERROR ? SEEN_ALL : SEEN_HALF;
}

/* -- counters ------------------------------------------------------------------------------- */

static void some_counters(cs_region *region, stage *s)
{
    cs_handle gone;
    must(cs_counter_open(region, "gone", CS_NUL, &gone));
    must(cs_counter_open(region, "neighbour", CS_NUL, &s->other));
    must(cs_counter_set(region, gone, 77));
    must(cs_counter_remove(region, gone));
}
static void a_counter(cs_region *region, stage *s)
{
    some_counters(region, s);
    must(cs_counter_open(region, NAME, CS_NUL, &s->handle));
    must(cs_counter_set(region, s->handle, 5));
}
/* Somebody may be asleep on it, as one who was killed in his sleep leaves it. */
static void an_awaited_counter(cs_region *region, stage *s)
{
    uint64_t value;
    a_counter(region, s);
    int result = cs_counter_wait(region, s->handle, 5, 1, &value);
    EXPECT(result == CS_E_TIMEOUT, "the wait gives %s", cs_strerror(result));
}
static int run_counter_open(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_counter_open(region, NAME, CS_NUL, &handle);
}
static enum seen look_counter_open(const cs_region *region, stage *s)
{
    cs_handle handle;
    uint64_t value;
    (void)s;
    int result = cs_counter_find(region, NAME, CS_NUL, &handle);
    if (result == CS_E_NOT_FOUND)
        return SEEN_NOTHING;
    return result == CS_OK && cs_counter_get(region, handle, &value) == CS_OK && value == 0 ? SEEN_ALL : SEEN_HALF;
}
static int run_counter_remove(cs_region *region, stage *s) { return cs_counter_remove(region, s->handle); }
static enum seen look_counter_remove(const cs_region *region, stage *s)
{
    uint64_t value;
    cs_handle handle;
    int got = cs_counter_get(region, s->handle, &value), found = cs_counter_find(region, NAME, CS_NUL, &handle);
    if (got == CS_E_STALE && found == CS_E_NOT_FOUND)
        return SEEN_ALL;
    return got == CS_OK && value == 5 && found == CS_OK ? SEEN_NOTHING : SEEN_HALF;
}
static int run_counter_set(cs_region *region, stage *s) { return cs_counter_set(region, s->handle, 6); }
static enum seen look_counter_set(const cs_region *region, stage *s)
{
    uint64_t value;
    if (cs_counter_get(region, s->handle, &value) != CS_OK)
        return SEEN_HALF;
    return value == 5 ? SEEN_NOTHING : value == 6 ? SEEN_ALL : SEEN_HALF;
}

static int run_gauge_open(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_gauge_open(region, NAME, CS_NUL, &handle);
}
static enum seen look_gauge_open(const cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    int result = cs_gauge_find(region, NAME, CS_NUL, &handle);
    return result == CS_OK ? SEEN_ALL : result == CS_E_NOT_FOUND ? SEEN_NOTHING : SEEN_HALF;
}

/* -- areas and locks ------------------------------------------------------------------------ */

static void an_area(cs_region *region, stage *s)
{
    must(cs_area_open(region, "neighbour", CS_NUL, &s->other));
    must(cs_area_open(region, NAME, CS_NUL, &s->handle));
}
static int run_area_open(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_area_open(region, NAME, CS_NUL, &handle);
}
static enum seen look_area_open(const cs_region *region, stage *s)
{
    cs_handle handle;
    uint64_t window, neurons;
    (void)s;
    int result = cs_area_find(region, NAME, CS_NUL, &handle);
    if (result == CS_E_NOT_FOUND)
        return SEEN_NOTHING;
    bool whole = result == CS_OK && cs_area_get(region, handle, CS_AREA_FCL_WINDOW, &window) == CS_OK &&
                 cs_area_get(region, handle, CS_AREA_NEURON_COUNT, &neurons) == CS_OK && window == 20 && neurons == 0;
    return whole ? SEEN_ALL : SEEN_HALF;
}
static int run_area_remove(cs_region *region, stage *s) { return cs_area_remove(region, s->handle); }
static enum seen look_area_remove(const cs_region *region, stage *s)
{
    uint64_t window;
    int result = cs_area_get(region, s->handle, CS_AREA_FCL_WINDOW, &window);
    return result == CS_E_STALE ? SEEN_ALL : result == CS_OK && window == 20 ? SEEN_NOTHING : SEEN_HALF;
}
static int run_area_set(cs_region *region, stage *s) { return cs_area_set(region, s->handle, CS_AREA_FCL_WINDOW, 9); }
static enum seen look_area_set(const cs_region *region, stage *s)
{
    uint64_t window;
    if (cs_area_get(region, s->handle, CS_AREA_FCL_WINDOW, &window) != CS_OK)
        return SEEN_HALF;
    return window == 20 ? SEEN_NOTHING : window == 9 ? SEEN_ALL : SEEN_HALF;
}

static void a_lock(cs_region *region, stage *s)
{
    must(cs_lock_open(region, "neighbour", CS_NUL, &s->other));
    must(cs_lock_open(region, NAME, CS_NUL, &s->handle));
}
static int run_lock_open(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_lock_open(region, NAME, CS_NUL, &handle);
}
static enum seen look_lock_open(const cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    int result = cs_lock_find(region, NAME, CS_NUL, &handle);
    return result == CS_OK ? SEEN_ALL : result == CS_E_NOT_FOUND ? SEEN_NOTHING : SEEN_HALF;
}
static int run_lock_remove(cs_region *region, stage *s) { return cs_lock_remove(region, s->handle); }
static enum seen look_lock_remove(const cs_region *region, stage *s)
{
    cs_lock_info info;
    int result = cs_lock_get(region, CS_SECTION_LOCKS, s->handle, &info);
    return result == CS_E_STALE ? SEEN_ALL : result == CS_OK ? SEEN_NOTHING : SEEN_HALF;
}
/* Taken and released; whoever is not the holder can take it at once, and is told when it was inherited. */
static int run_lock(cs_region *region, stage *s)
{
    int result = cs_lock_acquire(region, CS_SECTION_LOCKS, s->handle, CS_FOREVER);
    return result < 0 ? result : cs_lock_release(region, CS_SECTION_LOCKS, s->handle);
}
static enum seen look_lock(const cs_region *region, stage *s)
{
    cs_lock_info info;
    int result = cs_lock_get(region, CS_SECTION_LOCKS, s->handle, &info);
    return result == CS_OK && !(info.alive && info.holder) ? SEEN_SOUND : SEEN_HALF;
}
static int hold_lock(cs_region *region, stage *s) { return cs_lock_try(region, CS_SECTION_LOCKS, s->handle); }
static void take_both_locks(cs_region *region, stage *s)
{
    must(cs_lock_try(region, CS_SECTION_LOCKS, s->handle));
    must(cs_lock_try(region, CS_SECTION_LOCKS, s->other));
}
static int run_release(cs_region *region, stage *s)
{
    int result = cs_lock_try(region, CS_SECTION_LOCKS, s->handle); /* the survivor does not hold it yet */
    return result < 0 && result != CS_E_DEADLOCK ? result : cs_lock_release(region, CS_SECTION_LOCKS, s->handle);
}

/* -- events --------------------------------------------------------------------------------- */

static void a_kind(cs_region *region, stage *s) { must(cs_kind_open(region, "spike", CS_NUL, &s->kind)); }
static int run_kind_open(cs_region *region, stage *s)
{
    uint32_t kind;
    (void)s;
    return cs_kind_open(region, "spike", CS_NUL, &kind);
}
static enum seen look_kind_open(const cs_region *region, stage *s)
{
    uint32_t kind;
    (void)s;
    int result = cs_kind_find(region, "spike", CS_NUL, &kind);
    return result == CS_OK ? SEEN_ALL : result == CS_E_NOT_FOUND ? SEEN_NOTHING : SEEN_HALF;
}
static int run_publish(cs_region *region, stage *s)
{
    static const char text[] = "twenty-four bytes of it";
    return cs_event_publish(region, s->kind, CS_FORMAT_BYTES, text, sizeof text, 0);
}
static int drain_one(cs_region *region, uint64_t since)
{
    cs_subscription subscription;
    unsigned char rows[16][sizeof(cs_event) + 64];
    uint32_t count;
    int result = cs_subscribe(region, &subscription, since);
    return result == CS_OK ? cs_events_drain(region, &subscription, rows, sizeof *rows, 16, &count) : result;
}
/* A reader that may write passes over what a dead producer has claimed. */
static int run_drain(cs_region *region, stage *s)
{
    (void)s;
    return drain_one(region, 0);
}
/* A full lap, so that everything lies over something older. */
static void a_lap(cs_region *region, stage *s)
{
    a_kind(region, s);
    for (int i = 0; i < 20; i++)
        must(run_publish(region, s));
}
static enum seen look_whole_events(const cs_region *region, stage *s)
{
    cs_subscription subscription;
    unsigned char rows[16][sizeof(cs_event) + 64];
    uint32_t count;
    (void)s;
    if (cs_subscribe(region, &subscription, 0) != CS_OK ||
        cs_events_drain((cs_region *)(uintptr_t)region, &subscription, rows, sizeof *rows, 16, &count) != CS_OK)
        return SEEN_HALF;
    for (uint32_t i = 0; i < count; i++) {
        cs_event event;
        memcpy(&event, rows[i], sizeof event);
        if (event.kind == s->kind && memcmp(rows[i] + sizeof event, "twenty-four bytes of it", 24) != 0)
            return SEEN_HALF;
    }
    return SEEN_SOUND;
}

/* -- budgets and values --------------------------------------------------------------------- */

static void a_budget(cs_region *region, stage *s)
{
    must(cs_budget_open(region, "neighbour", CS_NUL, &s->other));
    must(cs_budget_set_limit(region, s->other, 500));
    must(cs_budget_open(region, NAME, CS_NUL, &s->handle));
    must(cs_budget_set_limit(region, s->handle, 100));
}
static int run_budget_open(cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    return cs_budget_open(region, NAME, CS_NUL, &handle);
}
static enum seen look_budget_open(const cs_region *region, stage *s)
{
    cs_handle handle;
    (void)s;
    int result = cs_budget_find(region, NAME, CS_NUL, &handle);
    return result == CS_OK ? SEEN_ALL : result == CS_E_NOT_FOUND ? SEEN_NOTHING : SEEN_HALF;
}
static int run_spend(cs_region *region, stage *s)
{
    cs_handle reservation;
    int result = cs_budget_reserve(region, s->handle, 95, &reservation);
    return result == CS_OK ? cs_budget_commit(region, reservation, 92) : result;
}
static enum seen look_spend(const cs_region *region, stage *s)
{
    cs_budget_info info;
    if (cs_budget_get(region, s->handle, &info) != CS_OK || info.spent + info.reserved > info.limit)
        return SEEN_HALF;
    return info.spent == 0 ? SEEN_NOTHING : info.spent == 92 ? SEEN_ALL : SEEN_HALF;
}
static int run_reserve_and_cancel(cs_region *region, stage *s)
{
    cs_handle reservation;
    int result = cs_budget_reserve(region, s->handle, 60, &reservation);
    return result == CS_OK ? cs_budget_cancel(region, reservation) : result;
}
static enum seen look_unspent(const cs_region *region, stage *s)
{
    cs_budget_info info;
    bool sound = cs_budget_get(region, s->handle, &info) == CS_OK && info.spent == 0 && info.reserved <= 60;
    return sound ? SEEN_SOUND : SEEN_HALF;
}
static int run_budget_remove(cs_region *region, stage *s) { return cs_budget_remove(region, s->handle); }
static void reserve_some(cs_region *region, stage *s)
{
    cs_handle reservation;
    must(cs_budget_reserve(region, s->handle, 30, &reservation));
}
static enum seen look_budget_remove(const cs_region *region, stage *s)
{
    cs_budget_info info;
    int result = cs_budget_get(region, s->handle, &info);
    return result == CS_E_STALE ? SEEN_ALL : result == CS_OK && info.limit == 100 ? SEEN_NOTHING : SEEN_HALF;
}

static int put_value(cs_region *region, const char *text, uint64_t version)
{
    uint32_t lock;
    cs_value_info info = {.version = version, .length = (uint32_t)strlen(text)};
    int result = cs_value_lock_of(region, "key", 3, &lock);
    if (result == CS_OK)
        result = cs_value_lock(region, lock, CS_FOREVER);
    if (result == CS_OK)
        result = cs_value_mark(region, "key", 3);
    if (result == CS_OK)
        result = cs_value_publish(region, 1, "key", 3, text, &info, 0);
    int unlocked = cs_value_unlock(region, lock);
    return result == CS_OK ? unlocked : result;
}
static void a_value(cs_region *region, stage *s)
{
    (void)s;
    must(put_value(region, "old value", 1));
}
static int run_put_value(cs_region *region, stage *s)
{
    (void)s;
    return put_value(region, "a new and longer value", 2);
}
/* Not being there is always right: the store has it. */
static enum seen look_put_value(const cs_region *region, stage *s)
{
    char text[64];
    cs_value_info info;
    (void)s;
    int result = cs_value_get(region, 1, "key", 3, text, sizeof text, &info);
    if (result == CS_OK && info.version == 1 && info.length == 9 && memcmp(text, "old value", 9) == 0)
        return SEEN_NOTHING;
    if (result == CS_OK)
        return info.version == 2 && info.length == 22 && memcmp(text, "a new and longer value", 22) == 0 ? SEEN_ALL
                                                                                                         : SEEN_HALF;
    return result == CS_E_NOT_FOUND || result == CS_E_BUSY ? SEEN_ALL : SEEN_HALF;
}

/* -- coming and going ----------------------------------------------------------------------- */

static int run_nothing(cs_region *region, stage *s)
{
    (void)region, (void)s;
    return CS_OK;
}
static int run_detach(cs_region *region, stage *s)
{
    (void)s;
    cs_region_detach(region);
    return CS_OK;
}
static enum seen look_nothing(const cs_region *region, stage *s)
{
    (void)region, (void)s;
    return SEEN_SOUND;
}

const operation operations[] = {
    {.name = "attach", .run = run_nothing, .look = look_nothing},
    {"register", some_agents, 0, run_register, look_register, 0},
    {"deregister", an_agent, 0, run_deregister, look_deregister, 0},
    {"set details", an_agent, 0, run_set_details, look_set_details, 0},
    {"set status", an_agent, 0, run_set_status, look_set_status, 0},
    {"deregister after a dead status writer", an_agent, 0, run_deregister, look_deregister, run_set_status},
    {"reap", 0, my_agents, run_reap, look_reap, 0},
    {"set engine state", a_state, 0, run_set_state, look_set_state, 0},
    {"set service state", a_state, 0, run_set_service, look_set_service, 0},
    {"counter open", some_counters, 0, run_counter_open, look_counter_open, 0},
    {"counter remove", a_counter, 0, run_counter_remove, look_counter_remove, 0},
    {"counter set with somebody asleep", an_awaited_counter, 0, run_counter_set, look_counter_set, 0},
    {"gauge open", 0, 0, run_gauge_open, look_gauge_open, 0},
    {"area open", 0, 0, run_area_open, look_area_open, 0},
    {"area remove", an_area, 0, run_area_remove, look_area_remove, 0},
    {"area set", an_area, 0, run_area_set, look_area_set, 0},
    {"lock open", 0, 0, run_lock_open, look_lock_open, 0},
    {"lock remove", a_lock, 0, run_lock_remove, look_lock_remove, 0},
    {"lock take and release", a_lock, 0, run_lock, look_lock, 0},
    {"lock take from a dead holder", a_lock, 0, run_lock, look_lock, hold_lock},
    {"lock release", a_lock, take_both_locks, run_release, look_lock, 0},
    {"kind open", 0, 0, run_kind_open, look_kind_open, 0},
    {"publish", a_lap, 0, run_publish, look_whole_events, 0},
    {"publish after a dead producer", a_lap, 0, run_publish, look_whole_events, run_publish},
    {"drain past a dead producer", a_lap, 0, run_drain, look_whole_events, run_publish},
    {"budget open", 0, 0, run_budget_open, look_budget_open, 0},
    {"budget reserve and commit", a_budget, 0, run_spend, look_spend, 0},
    {"budget reserve and cancel", a_budget, 0, run_reserve_and_cancel, look_unspent, 0},
    {"budget remove", a_budget, reserve_some, run_budget_remove, look_budget_remove, 0},
    {"value publish", a_value, 0, run_put_value, look_put_value, 0},
    {"detach", a_lock, take_both_locks, run_detach, look_nothing, 0},
    {.name = 0},
};
