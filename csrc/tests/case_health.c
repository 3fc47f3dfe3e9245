/* health.h: the verdict, each reason for it, and the numbers beside it. */
#include "cases.h"
#include "layout.h"

static cs_health health;
static cs_region *region;

static void expect(uint32_t reasons, uint32_t verdict)
{
    suite_fill(&health, 0xFF, sizeof health);
    CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.reasons, reasons);
    CHECK_EQUAL(health.verdict, verdict);
}

void case_health_fresh(void)
{
    region = suite_open(0, 0);
    NEED(region);
    uint64_t before = cs_port_now_ns();
    expect(0, CS_HEALTH_OK);
    CHECK(health.time_ns >= before && health.time_ns <= cs_port_now_ns());
    CHECK_EQUAL(health.engine.quiet, 1);
    CHECK_EQUAL(health.events_newest + health.events_lost + health.events_holes + health.events_depth, 0);
    CHECK_EQUAL(health.events_capacity, 16);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 0);
    CHECK_EQUAL(health.participants_capacity, 6);
    CHECK_EQUAL(health.agents + health.agents_stale + health.agents_dead, 0);
    CHECK_EQUAL(health.agents_capacity, 16);
    CHECK_EQUAL(health.areas + health.counters + health.gauges + health.locks, 0);
    CHECK_EQUAL(health.areas_capacity + health.counters_capacity + health.gauges_capacity + health.locks_capacity, 32);
    CHECK_EQUAL(health.locks_held + health.locks_dead, 0);
    CHECK_RESULT(cs_health_read(0, 0, &health), CS_E_INVALID);
    CHECK_RESULT(cs_health_read(region, 0, 0), CS_E_INVALID);
    suite_close(0);
}

void case_health_states(void)
{
    static const struct {
        uint32_t state, value, reason, verdict;
    } cases[] = {
        {CS_STATE_BURST, CS_BURST_ERROR, CS_WHY_ENGINE_ERROR, CS_HEALTH_FAILED},
        {CS_STATE_GENOME, CS_GENOME_ERROR, CS_WHY_GENOME_ERROR, CS_HEALTH_FAILED},
        {CS_STATE_CONNECTOME, CS_CONNECTOME_ERROR, CS_WHY_CONNECTOME_ERROR, CS_HEALTH_FAILED},
        {CS_STATE_FQ_SAMPLER, CS_SERVICE_ERROR, CS_WHY_SERVICE_ERROR, CS_HEALTH_DEGRADED},
        {CS_STATE_API, CS_SERVICE_DEGRADED, CS_WHY_SERVICE_DEGRADED, CS_HEALTH_DEGRADED},
        {CS_STATE_ZMQ, CS_SERVICE_ERROR, CS_WHY_SERVICE_ERROR, CS_HEALTH_DEGRADED},
        {CS_STATE_BURST, CS_BURST_DEEP_SLEEP, 0, CS_HEALTH_OK},
        {CS_STATE_BRAIN_READY, 1, 0, CS_HEALTH_OK},
    };
    region = suite_open(0, 0);
    NEED(region);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        suite_about("case", i);
        CHECK_RESULT(cs_engine_set_state(region, cases[i].state, cases[i].value), CS_OK);
        expect(cases[i].reason, cases[i].verdict);
        CHECK_EQUAL(health.engine.states[cases[i].state], cases[i].value);
        CHECK_RESULT(cs_engine_set_state(region, cases[i].state, 0), CS_OK);
        expect(0, CS_HEALTH_OK);
    }
    suite_about(0, 0);
    CHECK_RESULT(cs_engine_set(region, CS_FATIGUE_ACTIVE, 1), CS_OK);
    expect(CS_WHY_FATIGUE, CS_HEALTH_DEGRADED);
    CHECK_RESULT(cs_engine_set_state(region, CS_STATE_GENOME, CS_GENOME_ERROR), CS_OK);
    expect(CS_WHY_FATIGUE | CS_WHY_GENOME_ERROR, CS_HEALTH_FAILED); /* the worst counts, all are named */
    suite_close(0);
}

void case_health_full(void)
{
    cs_config config = suite_config();
    config.agents = config.areas = config.counters = config.gauges = config.locks = 1;
    config.participants = 2;
    region = suite_open(0, &config);
    cs_region other;
    cs_handle handle = 0;
    NEED(region);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &handle), CS_OK);
    expect(CS_WHY_AGENTS_FULL, CS_HEALTH_DEGRADED);
    CHECK_EQUAL(health.agents, 1);
    CHECK_RESULT(cs_agent_deregister(region, handle, 0), CS_OK);
    CHECK_RESULT(cs_area_open(region, "a", 1, &handle), CS_OK);
    expect(CS_WHY_AREAS_FULL, CS_HEALTH_DEGRADED);
    CHECK_RESULT(cs_area_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_counter_open(region, "a", 1, &handle), CS_OK);
    expect(CS_WHY_COUNTERS_FULL, CS_HEALTH_DEGRADED);
    CHECK_RESULT(cs_counter_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_gauge_open(region, "a", 1, &handle), CS_OK);
    expect(CS_WHY_GAUGES_FULL, CS_HEALTH_DEGRADED);
    CHECK_RESULT(cs_gauge_remove(region, handle), CS_OK);
    CHECK_RESULT(cs_lock_open(region, "a", 1, &handle), CS_OK);
    expect(CS_WHY_LOCKS_FULL, CS_HEALTH_DEGRADED);
    CHECK_RESULT(cs_lock_remove(region, handle), CS_OK);
    CHECK_RESULT(suite_join(&other, 0, 0), CS_OK);
    expect(CS_WHY_PARTICIPANTS_FULL, CS_HEALTH_DEGRADED);
    CHECK_EQUAL(health.participants_live, 2);
    cs_region_detach(&other);
    expect(0, CS_HEALTH_OK);
    suite_close(0);
    /* A table that was made without slots is not full, it is absent. */
    config.agents = config.areas = config.counters = config.gauges = config.locks = 0;
    region = suite_open(0, &config);
    NEED(region);
    expect(0, CS_HEALTH_OK);
    suite_close(0);
}

void case_health_dead(void)
{
    cs_region other, reader;
    cs_handle lock = 0, area = 0, agent = 0, live = 0;
    region = suite_open(0, 0);
    NEED(region);
    CHECK_RESULT(suite_join(&other, 0, 0), CS_OK);
    CHECK_RESULT(cs_lock_open(region, "l", 1, &lock), CS_OK);
    CHECK_RESULT(cs_area_open(region, "v1", 2, &area), CS_OK);
    CHECK_RESULT(cs_lock_try(&other, CS_SECTION_LOCKS, lock), CS_OK);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_AREAS, area), CS_OK);
    CHECK_RESULT(cs_agent_register(&other, "of the dead", CS_NUL, 0, 0, &agent), CS_OK);
    CHECK_RESULT(cs_agent_register(region, "of the living", CS_NUL, 0, 0, &live), CS_OK);
    expect(0, CS_HEALTH_OK);
    CHECK_EQUAL(health.locks_held, 2);
    CHECK_EQUAL(health.locks_dead, 0);
    CHECK_EQUAL(health.agents, 2);
    suite_kill(&other, 0);
    uint64_t before = suite_sum(suite_block[0], SUITE_BLOCK_BYTES);
    expect(CS_WHY_DEAD_PARTICIPANTS | CS_WHY_DEAD_LOCKS | CS_WHY_STALE_AGENTS, CS_HEALTH_DEGRADED);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 1);
    CHECK_EQUAL(health.locks_held, 2);
    CHECK_EQUAL(health.locks_dead, 1);
    CHECK_EQUAL(health.agents_dead, 1);
    CHECK_EQUAL(health.agents_stale, 0);
    CHECK_EQUAL(suite_sum(suite_block[0], SUITE_BLOCK_BYTES), before); /* looking changes nothing */
    CHECK_RESULT(suite_join(&reader, 0, CS_READ_ONLY), CS_OK);
    CHECK_RESULT(cs_health_read(&reader, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.reasons, CS_WHY_DEAD_PARTICIPANTS | CS_WHY_DEAD_LOCKS | CS_WHY_STALE_AGENTS);
    /* All of it can be put right. */
    CHECK_EQUAL(cs_sweep(region), 1);
    CHECK_RESULT(cs_lock_try(region, CS_SECTION_LOCKS, lock), CS_INHERITED);
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 1), 1);
    expect(0, CS_HEALTH_OK);
    CHECK_EQUAL(health.locks_held, 2);
    CHECK_EQUAL(health.agents, 1);
    suite_close(0);
}

void case_health_stale(void)
{
    cs_section_info section;
    cs_handle handle = 0;
    const uint64_t minute = 60000000000u;
    region = suite_open(0, 0);
    NEED(region);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, &handle), CS_OK);
    CHECK_RESULT(cs_region_section(region, CS_SECTION_AGENTS, &section), CS_OK);
    unsigned char *slot = suite_block[0] + section.offset + 64 + CS_PAD_(4u * section.count, 64);
    struct agent *agent = (struct agent *)(void *)(slot + (handle & 0xFFFFFFFF) * section.stride + sizeof(struct slot));
    poke64(&agent->last_seen_ns, cs_port_now_ns() - 2 * minute);
    expect(0, CS_HEALTH_OK);
    CHECK_RESULT(cs_health_read(region, minute, &health), CS_OK);
    CHECK_EQUAL(health.reasons, CS_WHY_STALE_AGENTS);
    CHECK_EQUAL(health.agents_stale, 1);
    CHECK_RESULT(cs_agent_heartbeat(region, handle), CS_OK);
    CHECK_RESULT(cs_health_read(region, minute, &health), CS_OK);
    CHECK_EQUAL(health.reasons, 0);
    suite_close(0);
}

void case_health_events(void)
{
    cs_subscription subscription;
    suite_event taken;
    uint32_t kind = 0;
    region = suite_open(0, 0);
    NEED(region);
    CHECK_RESULT(cs_kind_open(region, "n", 1, &kind), CS_OK);
    CHECK_RESULT(cs_subscribe(region, &subscription, 0), CS_OK);
    for (uint32_t i = 1; i <= 50; i++) {
        CHECK_RESULT(cs_event_publish(region, kind, 0, 0, 0, 0), CS_OK);
        CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
        CHECK_EQUAL(health.events_newest, i);
        CHECK_EQUAL(health.events_depth, i < 16 ? i : 16);
    }
    while (suite_take(region, &subscription, &taken)) {}
    CHECK_EQUAL(subscription.lost, 34);
    CHECK_RESULT(cs_health_read(region, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.events_lost, 34);
    CHECK_EQUAL(health.verdict, CS_HEALTH_OK); /* a slow reader is no illness */
    suite_close(0);
}
