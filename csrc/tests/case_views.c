/* Views: read-only, coming and going, closed, after a fork. */
#include "cases.h"

void case_read_only(void)
{
    cs_region *region = suite_open(0, 0), view;
    cs_handle counter = 0, gauge = 0, area = 0, agent = 0, lock = 0, none = 0;
    uint64_t number = 3, expected = 3;
    double real = 1;
    uint32_t kind = 0, found = 0;
    cs_details details = {"", "", "", 0, 0, 0};
    NEED(region);
    CHECK_RESULT(cs_counter_open(region, "x", 1, &counter), CS_OK);
    CHECK_RESULT(cs_gauge_open(region, "x", 1, &gauge), CS_OK);
    CHECK_RESULT(cs_area_open(region, "x", 1, &area), CS_OK);
    CHECK_RESULT(cs_lock_open(region, "x", 1, &lock), CS_OK);
    CHECK_RESULT(cs_agent_register(region, "x", 1, 0, 0, &agent), CS_OK);
    CHECK_RESULT(cs_kind_open(region, "x", 1, &kind), CS_OK);
    cs_config config = suite_config();
    uint64_t size = cs_region_size(&config), before = suite_sum(suite_block[0], size);
    CHECK_RESULT(suite_join(&view, 0, CS_READ_ONLY), CS_OK);
    CHECK_EQUAL(cs_participant_self(&view), 0);

    CHECK_RESULT(cs_engine_set_state(&view, CS_STATE_BURST, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_engine_set(&view, CS_NEURON_COUNT, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_engine_set_f64(&view, CS_BURST_FREQUENCY, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_engine_add(&view, CS_NEURON_COUNT, 1, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_open(&view, "new", CS_NUL, &none), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_set(&view, counter, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_store(&view, counter, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_store(&view, gauge, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_add(&view, counter, 1, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_compare_exchange(&view, counter, &expected, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_remove(&view, counter), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_open(&view, "new", CS_NUL, &none), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_set(&view, gauge, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_add(&view, gauge, 1, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_compare_exchange(&view, gauge, &real, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_gauge_remove(&view, gauge), CS_E_READ_ONLY);
    CHECK_RESULT(cs_area_open(&view, "new", CS_NUL, &none), CS_E_READ_ONLY);
    CHECK_RESULT(cs_area_set(&view, area, CS_AREA_NEURON_COUNT, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_area_add(&view, area, CS_AREA_NEURON_COUNT, 1, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_area_remove(&view, area), CS_E_READ_ONLY);
    CHECK_RESULT(cs_lock_open(&view, "new", CS_NUL, &none), CS_E_READ_ONLY);
    CHECK_RESULT(cs_lock_try(&view, CS_SECTION_LOCKS, lock), CS_E_READ_ONLY);
    CHECK_RESULT(cs_lock_acquire(&view, CS_SECTION_AREAS, area, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_lock_remove(&view, lock), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agent_register(&view, "new", CS_NUL, 0, 0, &none), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agent_deregister(&view, agent, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agent_heartbeat(&view, agent), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agent_set_status(&view, agent, CS_AGENT_RUNNING, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agent_set_details(&view, agent, &details), CS_E_READ_ONLY);
    CHECK_RESULT(cs_agents_reap(&view, CS_FOREVER, 1), CS_E_READ_ONLY);
    CHECK_RESULT(cs_kind_open(&view, "new", CS_NUL, &found), CS_E_READ_ONLY);
    CHECK_RESULT(cs_event_publish(&view, kind, 0, "x", 1, 0), CS_E_READ_ONLY);
    CHECK_RESULT(cs_sweep(&view), CS_E_READ_ONLY);

    /* What is there is found, and read. */
    cs_subscription subscription;
    suite_event taken;
    cs_health health;
    cs_agent_info info;
    cs_lock_info lock_info;
    CHECK_RESULT(cs_counter_open(&view, "x", 1, &none), CS_OK);
    CHECK_EQUAL(none, counter);
    CHECK_RESULT(cs_kind_open(&view, "x", 1, &found), CS_OK);
    CHECK_EQUAL(found, kind);
    CHECK_RESULT(cs_counter_get(&view, counter, &number), CS_OK);
    CHECK_RESULT(cs_gauge_get(&view, gauge, &real), CS_OK);
    CHECK_RESULT(cs_area_get(&view, area, 0, &number), CS_OK);
    CHECK_RESULT(cs_agent_get(&view, agent, &info, 0, 0), CS_OK);
    CHECK_RESULT(cs_lock_get(&view, CS_SECTION_LOCKS, lock, &lock_info), CS_OK);
    CHECK_RESULT(cs_health_read(&view, CS_FOREVER, &health), CS_OK);
    CHECK_RESULT(cs_subscribe(&view, &subscription, 0), CS_OK);
    CHECK(suite_take(&view, &subscription, &taken));
    cs_region_close(&view);
    cs_region_detach(&view);
    CHECK_EQUAL(suite_sum(suite_block[0], size), before); /* not one byte was written */
    suite_close(0);
}

/* However often its slot was used, a participant has one id wherever it is named. */
void case_field_v3_one_id(void)
{
    cs_region *region = suite_open(0, 0), view;
    cs_subscription subscription;
    cs_participant_info who;
    cs_agent_info agent_info;
    cs_lock_info lock_info;
    cs_agent_row row;
    cs_health health;
    suite_event taken;
    cs_handle lock = 0, agent = 0;
    uint32_t kind = 0, slot = 0, count = 0, old = 0;
    NEED(region);
    CHECK_RESULT(cs_lock_open(region, "lock", CS_NUL, &lock), CS_OK);
    CHECK_RESULT(cs_kind_open(region, "kind", CS_NUL, &kind), CS_OK);
    CHECK_RESULT(suite_join(&view, 0, 0), CS_OK);
    CHECK_RESULT(cs_agent_register(&view, "old", CS_NUL, 0, 0, &agent), CS_OK);
    old = cs_participant_self(&view);
    for (uint32_t round = 1; round <= 1100; round++) {
        cs_region_detach(&view);
        NEED(CHECK_RESULT(suite_join(&view, 0, 0), CS_OK));
        if (round == 1024) { /* its id is the old one's by now, and it is still another */
            CHECK_EQUAL(cs_participant_self(&view), old);
            CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
            CHECK_EQUAL(health.agents_dead, 1);
            CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 1), 1);
        } else {
            CHECK(cs_participant_self(&view) != old);
        }
    }
    uint32_t id = cs_participant_self(&view);
    CHECK(id >> 22 == 0);
    while (cs_participant_get(region, slot, &who) == CS_OK && who.id != id)
        slot++;
    CHECK_EQUAL(who.id, id);
    CHECK_EQUAL(who.state, CS_PARTICIPANT_LIVE);
    CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_event_publish(&view, kind, CS_FORMAT_NONE, 0, 0, 0), CS_OK);
    NEED(suite_take(region, &subscription, &taken));
    CHECK_EQUAL(taken.event.source, id);
    CHECK_RESULT(cs_agent_register(&view, "agent", CS_NUL, 0, 0, &agent), CS_OK);
    CHECK_RESULT(cs_agent_get(region, agent, &agent_info, 0, 0), CS_OK);
    CHECK_EQUAL(agent_info.participant, id);
    CHECK_RESULT(cs_agents_export(region, &row, 1, &count), CS_OK);
    CHECK_EQUAL(row.participant, id);
    CHECK_RESULT(cs_lock_try(&view, CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_RESULT(cs_lock_get(region, CS_SECTION_LOCKS, lock, &lock_info), CS_OK);
    CHECK_EQUAL(lock_info.holder, id);
    CHECK_EQUAL(lock_info.alive, 1);
    CHECK_RESULT(cs_lock_release(&view, CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, lock),
                 CS_OK); /* its holder leaves, and the other one inherits */
    cs_region_detach(region);
    CHECK_RESULT(cs_subscribe(&view, &subscription, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_lock_try(&view, CS_SECTION_LOCKS, lock), CS_INHERITED);
    NEED(suite_take(&view, &subscription, &taken));
    CHECK_EQUAL(taken.event.source, id);
    CHECK_EQUAL(taken.data.change.new_value, id);
    cs_region_detach(&view);
}

void case_attach_detach(void)
{
    cs_region *region = suite_open(0, 0), view;
    cs_participant_info info;
    cs_config config = suite_config();
    uint32_t last = 0, live = 0;
    NEED(region);
    uint64_t before = cs_port_now_ns();
    for (uint32_t round = 0; round < ROUNDS(3000u); round++) { /* further than a generation of 10 bits */
        CHECK_RESULT(suite_join(&view, 0, 0), CS_OK);
        uint32_t id = cs_participant_self(&view);
        CHECK(id != 0);
        CHECK(id != last); /* a slot used again is another participant */
        CHECK(id != cs_participant_self(region));
        last = id;
        cs_region_detach(&view);
        CHECK_EQUAL(cs_participant_self(&view), 0);
    }
    CHECK_RESULT(suite_join(&view, 0, 0), CS_OK);
    for (uint32_t slot = 0; slot < config.participants; slot++) {
        CHECK_RESULT(cs_participant_get(region, slot, &info), CS_OK);
        CHECK_EQUAL(info.slot, slot);
        if (info.state == CS_PARTICIPANT_FREE)
            continue;
        live++;
        cs_identity self;
        cs_port_identify(&self);
        CHECK_EQUAL(info.state, CS_PARTICIPANT_LIVE);
        CHECK(info.id == cs_participant_self(region) || info.id == cs_participant_self(&view));
        CHECK_EQUAL(info.pid, self.pid);
        CHECK_EQUAL(info.start, self.start);
        CHECK(info.attached_ns >= before - 1000000000u && info.attached_ns <= cs_port_now_ns());
    }
    CHECK_EQUAL(live, 2);
    CHECK_RESULT(cs_participant_get(region, config.participants, &info), CS_E_RANGE);
    CHECK_RESULT(cs_participant_get(region, 0xFFFFFFFF, &info), CS_E_RANGE);
    CHECK_RESULT(cs_participant_get(region, 0, 0), CS_E_INVALID);
    cs_region_detach(&view);
    suite_close(0);
}

static void check_detached(cs_region *view, cs_handle counter, cs_handle lock, cs_handle agent, uint32_t kind)
{
    uint64_t number = 0, expected = 0;
    cs_handle none = 0;
    CHECK_EQUAL(cs_participant_self(view), 0);
    CHECK_RESULT(cs_counter_get(view, counter, &number), CS_OK);
    CHECK_EQUAL(number, 7);
    CHECK_EQUAL(cs_engine_get(view, CS_AGENT_COUNT), 1);
    CHECK_RESULT(cs_counter_set(view, counter, 1), CS_E_DETACHED);
    CHECK_RESULT(cs_counter_store(view, counter, 1), CS_E_DETACHED);
    CHECK_RESULT(cs_counter_add(view, counter, 1, 0), CS_E_DETACHED);
    CHECK_RESULT(cs_counter_compare_exchange(view, counter, &expected, 1), CS_E_DETACHED);
    CHECK_RESULT(cs_counter_open(view, "new", CS_NUL, &none), CS_E_DETACHED);
    CHECK_RESULT(cs_gauge_open(view, "new", CS_NUL, &none), CS_E_DETACHED);
    CHECK_RESULT(cs_area_open(view, "new", CS_NUL, &none), CS_E_DETACHED);
    CHECK_RESULT(cs_lock_open(view, "new", CS_NUL, &none), CS_E_DETACHED);
    CHECK_RESULT(cs_lock_try(view, CS_SECTION_LOCKS, lock), CS_E_DETACHED);
    CHECK_RESULT(cs_agent_register(view, "new", CS_NUL, 0, 0, &none), CS_E_DETACHED);
    CHECK_RESULT(cs_agent_deregister(view, agent, 0), CS_E_DETACHED);
    CHECK_RESULT(cs_agent_set_status(view, agent, CS_AGENT_RUNNING, 0), CS_E_DETACHED);
    CHECK_RESULT(cs_event_publish(view, kind, 0, "x", 1, 0), CS_E_DETACHED);
    CHECK_RESULT(cs_engine_set(view, CS_NEURON_COUNT, 1), CS_E_DETACHED);
    CHECK_RESULT(cs_engine_set_state(view, CS_STATE_BURST, 1), CS_E_DETACHED);
}

/* A forked child has a copy of its parent's view; after_fork gives it a slot of its own, or none. */
void case_after_fork(void)
{
    cs_config config = suite_config();
    config.participants = 2;
    cs_region *region = suite_open(0, &config), child, grandchild;
    cs_handle counter = 0, lock = 0, agent = 0;
    uint32_t kind = 0;
    NEED(region);
    CHECK_RESULT(cs_counter_open(region, "c", 1, &counter), CS_OK);
    CHECK_RESULT(cs_counter_set(region, counter, 7), CS_OK);
    CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &agent), CS_OK);
    CHECK_RESULT(cs_kind_open(region, "k", 1, &kind), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, lock), CS_OK);
    child = *region;
    CHECK_RESULT(cs_region_after_fork(&child, -1), CS_OK);
    CHECK(cs_participant_self(&child) != 0);
    CHECK(cs_participant_self(&child) != cs_participant_self(region));
    CHECK_RESULT(cs_lock_release(&child, CS_SECTION_LOCKS, lock), CS_E_NOT_OWNER); /* its parent's lock */
    CHECK_RESULT(cs_lock_try(&child, CS_SECTION_LOCKS, lock), CS_E_BUSY);
    CHECK_RESULT(cs_lock_release(region, CS_SECTION_LOCKS, lock), CS_OK);
    grandchild = child;
    CHECK_RESULT(cs_region_after_fork(&grandchild, -2), CS_E_DETACHED); /* there is a file, and it would not open */
    check_detached(&grandchild, counter, lock, agent, kind);
    grandchild = child;
    CHECK_RESULT(cs_region_after_fork(&grandchild, -1), CS_E_NO_SLOT);
    check_detached(&grandchild, counter, lock, agent, kind);
    cs_region_detach(&child);
    CHECK_RESULT(cs_region_after_fork(&grandchild, -1), CS_OK); /* and may try again */
    CHECK_RESULT(cs_counter_add(&grandchild, counter, 1, 0), CS_OK);
    cs_region_detach(&grandchild);

    cs_region reader;
    CHECK_RESULT(suite_join(&reader, 0, CS_READ_ONLY), CS_OK);
    CHECK_RESULT(cs_region_after_fork(&reader, -1), CS_OK); /* had no slot, needs none */
    CHECK_EQUAL(cs_participant_self(&reader), 0);
    CHECK_RESULT(cs_counter_set(&reader, counter, 7), CS_E_READ_ONLY);
    CHECK_RESULT(cs_counter_set(region, counter, 7), CS_OK);
    cs_region gone = *region;
    suite_close(0);
    cs_region_detach(&gone); /* twice does no harm */
}

void case_detached_view(void)
{
    cs_region *region = suite_open(0, 0), view;
    cs_handle counter = 0, lock = 0, agent = 0;
    uint32_t kind = 0;
    NEED(region);
    CHECK_RESULT(cs_counter_open(region, "c", 1, &counter), CS_OK);
    CHECK_RESULT(cs_counter_set(region, counter, 7), CS_OK);
    CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &agent), CS_OK);
    CHECK_RESULT(cs_kind_open(region, "k", 1, &kind), CS_OK);
    CHECK_RESULT(suite_join(&view, 0, 0), CS_OK);
    cs_region_detach(&view);
    check_detached(&view, counter, lock, agent, kind);
    suite_close(0);
}

/* A region whose maker died, or that others still use, is not disturbed by a second attach in the same process. */
void case_private_view(void)
{
    cs_config config = suite_config();
    cs_region view;
    NEED(CHECK_RESULT(cs_region_format(suite_block[0], cs_region_size(&config), &config, 0), CS_OK));
    CHECK_RESULT(cs_region_attach(&view, suite_block[0], cs_region_size(&config), CS_PRIVATE, -1), CS_OK);
    CHECK(cs_participant_self(&view) != 0);
    CHECK_RESULT(cs_engine_set_state(&view, CS_STATE_GENOME, CS_GENOME_LOADED), CS_OK);
    CHECK_EQUAL(cs_sweep(&view), 0);
    cs_region_detach(&view);
}

/* A wait of a closed view is told so, also where it need not sleep: it takes no lock. */
void case_field_v10_closed(void)
{
    cs_region *region = suite_open(0, 0), other;
    cs_handle lock = 0, counter = 0, gauge = 0;
    cs_subscription subscription;
    cs_lock_info info;
    uint64_t value = 0;
    double number = 0;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(cs_lock_open(region, "lock", CS_NUL, &lock), CS_OK);
    CHECK_RESULT(cs_counter_open(region, "counter", CS_NUL, &counter), CS_OK);
    CHECK_RESULT(cs_gauge_open(region, "gauge", CS_NUL, &gauge), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING), CS_OK);
    cs_region_close(region);
    CHECK_RESULT(cs_lock_acquire(region, CS_SECTION_LOCKS, lock, CS_FOREVER), CS_E_CLOSED);
    CHECK_RESULT(cs_lock_acquire(region, CS_SECTION_LOCKS, lock, 0), CS_E_CLOSED);
    CHECK_RESULT(cs_lock_get(&other, CS_SECTION_LOCKS, lock, &info), CS_OK);
    CHECK_EQUAL(info.holder, 0);
    CHECK_RESULT(cs_counter_wait(region, counter, 7, CS_FOREVER, &value), CS_E_CLOSED);
    CHECK_RESULT(cs_gauge_wait(region, gauge, 7, CS_FOREVER, &number), CS_E_CLOSED);
    CHECK_RESULT(cs_events_wait(region, &subscription, CS_FOREVER), CS_E_CLOSED);
    /* What does not wait goes on, and so do others. */
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_RESULT(cs_lock_release(region, CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_RESULT(cs_lock_acquire(&other, CS_SECTION_LOCKS, lock, 0), CS_OK);
    CHECK_RESULT(cs_counter_wait(&other, counter, 7, 0, &value), CS_OK);
    cs_region_detach(&other);
    suite_close(0);
}
