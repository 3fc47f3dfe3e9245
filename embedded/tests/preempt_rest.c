/* What an interrupt may call and preempt_work.c does not: functions that are like others, and seldom used ones. */
#include "preempt.h"

static int has_half(double number) { return number == 0 || number - (double)(uint32_t)number == 0.5; }

/* -- writing -------------------------------------------------------------------------------- */

static void exchange(void)
{
    double seen = 0;
    EXPECT(cs_gauge_get(&region, gauge, &seen) == CS_OK && has_half(seen));
    int result = cs_gauge_compare_exchange(&region, gauge, &seen, seen + 1);
    EXPECT(result == CS_OK || (result == CS_E_MISMATCH && has_half(seen)));
}

/* Names of its own that come and go, in tables the other one looks through and changes too. */

static void lock_comes_or_goes(actor *a)
{
    cs_handle handle = 0;
    if (cs_lock_find(&region, a->name, CS_NUL, &handle) == CS_OK)
        (void)done(a, cs_lock_remove(&region, handle));
    else
        (void)done(a, cs_lock_open(&region, a->name, CS_NUL, &handle));
}

static void area_comes_or_goes(actor *a)
{
    cs_handle handle = 0;
    if (cs_area_find(&region, a->name, CS_NUL, &handle) == CS_OK)
        (void)done(a, cs_area_remove(&region, handle));
    else
        (void)done(a, cs_area_open(&region, a->name, CS_NUL, &handle));
}

static void gauge_comes_or_goes(actor *a)
{
    cs_handle handle = 0;
    if (cs_gauge_find(&region, a->name, CS_NUL, &handle) == CS_OK)
        (void)done(a, cs_gauge_remove(&region, handle));
    else
        (void)done(a, cs_gauge_open(&region, a->name, CS_NUL, &handle));
}

void write_the_rest(actor *a)
{
    uint32_t n = a->writes, found;
    switch (random_below(&a->seed, 8)) {
    case 0:
        EXPECT(cs_engine_add(&region, CS_BURST_COUNT, 1, 0) == CS_OK);
        a->bursts++;
        break;
    case 1:
        EXPECT(cs_engine_set_f64(&region, CS_BURST_FREQUENCY, (double)n + 0.5) == CS_OK);
        break;
    case 2:
        EXPECT(cs_counter_store(&region, cell, halves(n)) == CS_OK);
        break;
    case 3:
        EXPECT(cs_gauge_store(&region, gauge, (double)n + 0.5) == CS_OK);
        exchange();
        break;
    case 4:
        lock_comes_or_goes(a);
        break;
    case 5:
        area_comes_or_goes(a);
        break;
    case 6:
        gauge_comes_or_goes(a);
        break;
    default:
        if (done(a, cs_kind_open(&region, "tick", CS_NUL, &found)))
            EXPECT(found == kind);
    }
}

/* -- reading -------------------------------------------------------------------------------- */

static void read_names(void)
{
    cs_handle found = 0;
    char name[64];
    uint32_t number = 0;
    EXPECT(cs_names_change(&region, CS_SECTION_COUNTERS, &number) == CS_OK && number > 0);
    EXPECT(cs_names_at(&region, CS_SECTION_COUNTERS, (uint32_t)cell, &found) == CS_OK && found == cell);
    EXPECT(cs_names_get(&region, CS_SECTION_COUNTERS, cell, name, &number) == CS_OK && number == 4);
    EXPECT(name[0] == 'c' && name[3] == 'l' && !name[4]);
    EXPECT(cs_kind_name(&region, kind, name, &number) == CS_OK && number == 4 && name[0] == 't');
    EXPECT(cs_kind_find(&region, "tick", CS_NUL, &number) == CS_OK && number == kind);
    EXPECT(cs_area_find(&region, "v1", CS_NUL, &found) == CS_OK && found == area);
    EXPECT(cs_lock_find(&region, "door", CS_NUL, &found) == CS_OK && found == lock);
    EXPECT(cs_gauge_find(&region, "gauge", CS_NUL, &found) == CS_OK && found == gauge);
}

static void read_addresses(void)
{
    cs_column column;
    cs_hot_cell hot;
    EXPECT(cs_names_column(&region, CS_SECTION_COUNTERS, &column) == CS_OK && column.used >= 2);
    EXPECT(cs_hot_cell_of(&region, CS_SECTION_COUNTERS, total, &hot) == CS_OK);
    EXPECT(*(const volatile uint32_t *)hot.generation == (uint32_t)(total >> 32));
    EXPECT(cs_engine_cell(&region, CS_BURST_COUNT) != 0);
}

static void read_what_never_changes(void)
{
    EXPECT(cs_strerror(CS_E_BUSY)[0] && cs_section_name(CS_SECTION_ENGINE)[0] == 'e');
    EXPECT(cs_engine_field_name(CS_BURST_COUNT)[0] == 'b' && cs_engine_field_type(CS_BURST_COUNT) == CS_TYPE_U64);
    EXPECT(cs_engine_state_name(CS_STATE_BURST)[0] == 'b' &&
           cs_engine_state_max(CS_STATE_BURST) == CS_BURST_DEEP_SLEEP);
    EXPECT(cs_area_field_name(CS_AREA_NEURON_COUNT)[0] == 'n');
    EXPECT(cs_health_reason_name(CS_WHY_LINK_SILENT) != 0);
    EXPECT(cs_agent_may(CS_AGENT_RUNNING, CS_AGENT_PAUSED) == 1);
    EXPECT(cs_participant_self(&region) != 0);
}

void read_the_rest(void)
{
    cs_lock_info info;
    EXPECT(cs_engine_state(&region, CS_STATE_BURST) < 8);
    EXPECT(has_half(cs_engine_get_f64(&region, CS_BURST_FREQUENCY)));
    EXPECT(cs_lock_get(&region, CS_SECTION_LOCKS, lock, &info) == CS_OK && (!info.holder || info.alive));
    EXPECT(cs_event_newest(&region) > 0);
    read_names();
    read_addresses();
    read_what_never_changes();
}
