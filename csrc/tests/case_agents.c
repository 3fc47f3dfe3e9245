/* agents.h: the registry. */
#include "cases.h"
#include "layout.h"

static cs_handle register_agent(cs_region *region, const char *id, const cs_details *details)
{
    cs_handle handle = 0;
    CHECK_RESULT(cs_agent_register(region, id, CS_NUL, CS_AGENT_SENSORY, details, &handle), CS_OK);
    return handle;
}

/* What an agent's slot holds besides its name. */
static struct agent *slot_payload(cs_region *region, cs_handle handle)
{
    cs_section_info section;
    CHECK_RESULT(cs_region_section(region, CS_SECTION_AGENTS, &section), CS_OK);
    uint64_t slots = section.offset + 64 + CS_PAD_(4u * section.count, 64);
    return (struct agent *)(void *)(suite_block[0] + slots + (handle & 0xFFFFFFFF) * section.stride +
                                    sizeof(struct slot));
}

void case_agent(void)
{
    static const char *const ids[CS_AGENT_TYPES] = {"camera", "arm", "hand", "screen", "broker"};
    cs_region *region = suite_open(0, 0);
    cs_agent_info info;
    cs_subscription subscription;
    suite_event taken;
    NEED(region);
    for (uint32_t type = 0; type < CS_AGENT_TYPES; type++) {
        cs_handle handle = 0, found = 0;
        suite_about("type", type);
        CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
        uint64_t before = cs_port_now_ns(), version = cs_engine_get(region, CS_VERSION);
        CHECK_RESULT(cs_agent_register(region, ids[type], CS_NUL, type, 0, &handle), CS_OK);
        uint64_t after = cs_port_now_ns();
        CHECK_EQUAL(cs_engine_get(region, CS_AGENT_COUNT), 1);
        CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 1);
        CHECK_RESULT(cs_agent_find(region, ids[type], CS_NUL, &found), CS_OK);
        CHECK_EQUAL(found, handle);
        suite_fill(&info, 0xFF, sizeof info);
        CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
        CHECK_EQUAL(info.handle, handle);
        CHECK(info.registered_ns >= before && info.registered_ns <= after);
        CHECK(info.last_seen_ns >= before && info.last_seen_ns <= after);
        CHECK_EQUAL(info.changes, 0);
        CHECK_EQUAL(info.type, type);
        CHECK_EQUAL(info.status, CS_AGENT_STARTING);
        CHECK_EQUAL(info.participant, cs_participant_self(region));
        CHECK_EQUAL(info.id_length, suite_length(ids[type]));
        CHECK_TEXT(info.id, ids[type]);
        CHECK_EQUAL(info.capabilities_length + info.transport_length + info.metadata_length, 0);

        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_REGISTERED);
        CHECK_EQUAL(taken.data.change.subject, handle);
        CHECK_EQUAL(taken.data.change.new_value, type);
        CHECK_EQUAL(taken.data.change.table, CS_SECTION_AGENTS);
        CHECK_EQUAL(taken.event.length, sizeof(cs_change) + info.id_length);
        CHECK(suite_same(taken.data.bytes + sizeof(cs_change), ids[type], info.id_length));

        CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_SILENT), CS_OK);
        CHECK_EQUAL(cs_engine_get(region, CS_AGENT_COUNT), 0);
        CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 2);
        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_DEREGISTERED);
        CHECK_EQUAL(taken.data.change.subject, handle);
        CHECK_EQUAL(taken.data.change.old_value, type);
        CHECK_EQUAL(taken.data.change.new_value, CS_REASON_SILENT);
        CHECK(suite_same(taken.data.bytes + sizeof(cs_change), ids[type], info.id_length));
        CHECK(!suite_take(region, &subscription, &taken));
    }
    suite_close(0);
}

void case_agent_refusals(void)
{
    cs_region *region = suite_open(0, 0);
    cs_handle handle = 0, again = 5;
    cs_agent_info info;
    cs_details details = {"x", "y", "z", 1, 1, 1};
    uint32_t changed = 9;
    NEED(region);
    CHECK_RESULT(cs_agent_register(region, "a", 1, CS_AGENT_TYPES, 0, &handle), CS_E_INVALID);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0xFFFFFFFF, 0, &handle), CS_E_INVALID);
    CHECK_RESULT(cs_agent_register(region, "a", 1, 0, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_agent_register(region, 0, 1, 0, 0, &handle), CS_E_INVALID);
    CHECK_EQUAL(cs_engine_get(region, CS_AGENT_COUNT), 0);
    CHECK_EQUAL(cs_event_newest(region), 0);
    handle = register_agent(region, "a", 0);
    uint64_t newest = cs_event_newest(region), version = cs_engine_get(region, CS_VERSION);
    CHECK_RESULT(cs_agent_register(region, "a", 1, CS_AGENT_MOTOR, 0, &again), CS_E_EXISTS);
    CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_DEAD + 1), CS_E_INVALID);
    CHECK_RESULT(cs_agent_set_status(region, handle, CS_AGENT_STATUSES, &changed), CS_E_INVALID);
    CHECK_RESULT(cs_agent_set_status(region, handle, 0xFFFFFFFF, 0), CS_E_INVALID);
    CHECK_RESULT(cs_agent_set_details(region, handle, 0), CS_E_INVALID);
    CHECK_RESULT(cs_agent_get(region, handle, 0, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_agents_export(region, 0, 1, &changed), CS_E_INVALID);
    CHECK_RESULT(cs_agents_export(region, 0, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_agents_reap(region, CS_FOREVER, 2), CS_E_INVALID);
    CHECK_EQUAL(cs_event_newest(region), newest);
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version);
    CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED), CS_OK);
    CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED), CS_E_STALE);
    CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_E_STALE);
    CHECK_RESULT(cs_agent_set_details(region, handle, &details), CS_E_STALE);
    CHECK_RESULT(cs_agent_heartbeat(region, handle), CS_E_STALE);
    CHECK_RESULT(cs_agent_set_status(region, handle, CS_AGENT_RUNNING, 0), CS_E_STALE);
    CHECK_RESULT(cs_agent_find(region, "a", 1, &again), CS_E_NOT_FOUND);
    suite_close(0);
}

/* -- details -------------------------------------------------------------------------------- */

static void check_details(cs_region *region, cs_handle handle, const cs_details *expected)
{
    cs_agent_info info;
    unsigned char bytes[128];
    uint32_t total = expected->capabilities_length + expected->transport_length + expected->metadata_length;
    suite_fill(bytes, 0xEE, sizeof bytes);
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, sizeof bytes), CS_OK);
    CHECK_EQUAL(info.capabilities_length, expected->capabilities_length);
    CHECK_EQUAL(info.transport_length, expected->transport_length);
    CHECK_EQUAL(info.metadata_length, expected->metadata_length);
    uint32_t at = 0;
    CHECK(suite_same(bytes, expected->capabilities, info.capabilities_length));
    at += info.capabilities_length;
    CHECK(suite_same(bytes + at, expected->transport, info.transport_length));
    at += info.transport_length;
    CHECK(suite_same(bytes + at, expected->metadata, info.metadata_length));
    CHECK_EQUAL(bytes[total], 0xEE); /* nothing behind them */
    CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, total), CS_OK);
    if (total)
        CHECK_RESULT(cs_agent_get(region, handle, &info, bytes, total - 1), CS_E_TOO_BIG);
}

void case_agent_details(void)
{
    static const unsigned char source[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789abcdefghijklmnopqrstuvwxyz";
    cs_region *region = suite_open(0, 0);
    cs_agent_info before, after;
    NEED(region);
    cs_details first = {source, source + 7, source + 9, 5, 11, 13};
    cs_handle handle = register_agent(region, "detailed", &first);
    check_details(region, handle, &first);
    /* Every split of every length up to what fits, one after the other in the same slot. */
    for (uint32_t total = 0; total <= 96; total += 1 + total / 8) {
        for (uint32_t part = 0; part <= total; part += 1 + part / 4) {
            cs_details next = {source, source + 1, source + 2, part, (total - part) / 2, 0};
            next.metadata_length = total - part - next.transport_length;
            suite_about("total * 100 + part", total * 100 + part);
            uint64_t version = cs_engine_get(region, CS_VERSION);
            CHECK_RESULT(cs_agent_get(region, handle, &before, 0, 0), CS_OK);
            CHECK_RESULT(cs_agent_set_details(region, handle, &next), CS_OK);
            CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + 1);
            CHECK_RESULT(cs_agent_get(region, handle, &after, 0, 0), CS_OK);
            CHECK(after.details_version > before.details_version);
            check_details(region, handle, &next);
        }
    }
    suite_about(0, 0);
    cs_details kept = {source, source, source, 10, 10, 10};
    CHECK_RESULT(cs_agent_set_details(region, handle, &kept), CS_OK);
    cs_details big = {source, source, source, 32, 32, 33};
    CHECK_RESULT(cs_agent_set_details(region, handle, &big), CS_E_TOO_BIG);
    big.metadata_length = 0xFFFFFFFF; /* the sum must not wrap */
    big.transport_length = 0xFFFFFFFF;
    CHECK_RESULT(cs_agent_set_details(region, handle, &big), CS_E_TOO_BIG);
    cs_handle none = 0;
    CHECK_RESULT(cs_agent_register(region, "big", CS_NUL, CS_AGENT_MOTOR, &big, &none), CS_E_TOO_BIG);
    CHECK_RESULT(cs_agent_find(region, "big", CS_NUL, &none), CS_E_NOT_FOUND);
    cs_details missing = {0, source, source, 1, 1, 1};
    CHECK_RESULT(cs_agent_set_details(region, handle, &missing), CS_E_INVALID);
    check_details(region, handle, &kept);
    suite_close(0);
}

/* A slot used again shows nothing of what it held. */
void case_agent_details_gone(void)
{
    cs_region *region = suite_open(0, 0);
    cs_details secret = {"secret", "secret", "secret", 6, 6, 6}, none = {"", "", "", 0, 0, 0};
    NEED(region);
    for (uint32_t round = 0; round < 3; round++) {
        cs_handle handle = register_agent(region, "first", &secret);
        CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED), CS_OK);
        handle = register_agent(region, "second", 0);
        check_details(region, handle, &none);
        CHECK_RESULT(cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED), CS_OK);
    }
    suite_close(0);
}

void case_agent_without_details(void)
{
    cs_config config = suite_config();
    config.agent_details_bytes = 0;
    cs_region *region = suite_open(0, &config);
    cs_details some = {"x", "", "", 1, 0, 0}, none = {"", "", "", 0, 0, 0};
    cs_handle handle = 0;
    NEED(region);
    CHECK_RESULT(cs_agent_register(region, "a", 1, CS_AGENT_MOTOR, &some, &handle), CS_E_TOO_BIG);
    CHECK_RESULT(cs_agent_register(region, "a", 1, CS_AGENT_MOTOR, &none, &handle), CS_OK);
    CHECK_RESULT(cs_agent_set_details(region, handle, &none), CS_OK);
    CHECK_RESULT(cs_agent_set_details(region, handle, &some), CS_E_TOO_BIG);
    check_details(region, handle, &none);
    suite_close(0);
}

void case_agent_heartbeat(void)
{
    cs_region *region = suite_open(0, 0);
    cs_agent_info info;
    NEED(region);
    cs_handle handle = register_agent(region, "alive", 0);
    struct agent *slot = slot_payload(region, handle);
    poke64(&slot->last_seen_ns, 1);
    CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
    CHECK_EQUAL(info.last_seen_ns, 1);
    uint64_t version = cs_engine_get(region, CS_VERSION), newest = cs_event_newest(region);
    uint64_t before = cs_port_coarse_ns();
    CHECK_RESULT(cs_agent_heartbeat(region, handle), CS_OK);
    CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
    CHECK(info.last_seen_ns >= before && info.last_seen_ns <= cs_port_coarse_ns());
    CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version); /* a sign of life is no change */
    CHECK_EQUAL(cs_event_newest(region), newest);
    suite_close(0);
}

/* -- lifecycle ------------------------------------------------------------------------------ */

/* Row: from; column: to, in the order of enum cs_agent_status. x: allowed, =: the same, .: refused. */
static const char lifecycle[CS_AGENT_STATUSES][CS_AGENT_STATUSES + 1] = {
    "=x...x.xx", /* starting */
    ".=xxxxxxx", /* running */
    ".x=.xxxxx", /* paused */
    ".xx=xxxxx", /* waiting */
    ".xx.=xxxx", /* suspended */
    ".x...=...", /* stopped */
    ".x....=..", /* completed */
    ".......=.", /* failed */
    "........=", /* cancelled */
};

void case_agent_lifecycle(void)
{
    cs_region *region = suite_open(0, 0);
    cs_agent_info info;
    cs_subscription subscription;
    suite_event taken;
    NEED(region);
    cs_handle handle = register_agent(region, "worker", 0);
    struct agent *slot = slot_payload(region, handle);
    for (uint32_t from = 0; from < CS_AGENT_STATUSES; from++) {
        for (uint32_t to = 0; to < CS_AGENT_STATUSES; to++) {
            uint32_t changed = 9;
            char rule = lifecycle[from][to];
            suite_about("from * 10 + to", from * 10 + to);
            CHECK_EQUAL(cs_agent_may(from, to), rule == 'x');
            /* Put there as a writer would have, with nothing owed: change number and announcement agree. */
            uint32_t number = (uint32_t)(load64(&slot->status.state) >> 16);
            store64(&slot->status.state, (uint64_t)number << 16 | from);
            CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
            CHECK_EQUAL(info.status, from);
            CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
            uint64_t version = cs_engine_get(region, CS_VERSION);
            CHECK_RESULT(cs_agent_set_status(region, handle, to, &changed), rule == '.' ? CS_E_TRANSITION : CS_OK);
            CHECK_EQUAL(changed, rule == 'x');
            CHECK_RESULT(cs_agent_get(region, handle, &info, 0, 0), CS_OK);
            CHECK_EQUAL(info.status, rule == '.' ? from : to);
            CHECK_EQUAL(info.changes, number + (rule == 'x'));
            CHECK_EQUAL(cs_engine_get(region, CS_VERSION), version + (rule == 'x'));
            CHECK_EQUAL(suite_take(region, &subscription, &taken), rule == 'x');
            if (rule != 'x')
                continue;
            CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_STATUS_CHANGED);
            CHECK_EQUAL(taken.data.change.subject, handle);
            CHECK_EQUAL(taken.data.change.old_value, from);
            CHECK_EQUAL(taken.data.change.new_value, to);
            CHECK_EQUAL(taken.data.change.change, number + 1);
            CHECK(suite_same(taken.data.bytes + sizeof(cs_change), "worker", 6));
        }
    }
    suite_about(0, 0);
    CHECK_EQUAL(cs_agent_may(CS_AGENT_STATUSES, 0), 0);
    CHECK_EQUAL(cs_agent_may(0, CS_AGENT_STATUSES), 0);
    CHECK_EQUAL(cs_agent_may(0xFFFFFFFF, 0xFFFFFFFF), 0);
    suite_close(0);
}

/* -- reaping and exporting ------------------------------------------------------------------ */

void case_agent_reap(void)
{
    cs_region *region = suite_open(0, 0), other;
    cs_subscription subscription;
    suite_event taken;
    cs_handle handles[6], found = 0;
    char name[64];
    const uint64_t hour = 3600000000000u;
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    for (uint32_t i = 0; i < 6; i++)
        handles[i] = register_agent(i < 4 ? region : &other, suite_name(name, "agent", i), 0);
    CHECK_EQUAL(cs_agents_reap(region, hour, 1), 0);
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 0), 0);
    poke64(&slot_payload(region, handles[1])->last_seen_ns, cs_port_now_ns() - 2 * hour);
    poke64(&slot_payload(region, handles[4])->last_seen_ns, cs_port_now_ns() - 3 * hour);
    poke64(&slot_payload(region, handles[0])->last_seen_ns,
           cs_port_now_ns() + hour); /* a clock set back is no silence */
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 1), 0);
    CHECK_RESULT(cs_subscribe(region, &subscription, CS_FOREVER), CS_OK);
    CHECK_EQUAL(cs_agents_reap(region, hour, 0), 2);
    for (uint32_t i = 0; i < 6; i++) {
        suite_about("agent", i);
        CHECK_RESULT(cs_agent_find(region, suite_name(name, "agent", i), CS_NUL, &found),
                     i == 1 || i == 4 ? CS_E_NOT_FOUND : CS_OK);
    }
    suite_about(0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        NEED(suite_take(region, &subscription, &taken));
        CHECK_EQUAL(taken.event.kind, CS_KIND_AGENT_DEREGISTERED);
        CHECK_EQUAL(taken.data.change.new_value, CS_REASON_SILENT);
    }
    suite_kill(&other, 0);
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 0), 0);
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 1), 1); /* agent5; the others' registrar lives */
    NEED(suite_take(region, &subscription, &taken));
    CHECK_EQUAL(taken.data.change.subject, handles[5]);
    CHECK_EQUAL(taken.data.change.new_value, CS_REASON_DEAD);
    CHECK(!suite_take(region, &subscription, &taken));
    CHECK_EQUAL(cs_engine_get(region, CS_AGENT_COUNT), 3);
    CHECK_EQUAL(cs_agents_reap(region, CS_FOREVER, 1), 0);
    suite_close(0);
}

void case_agent_export(void)
{
    static cs_agent_row rows[16];
    cs_region *region = suite_open(0, 0);
    cs_agent_info info;
    cs_handle handles[10];
    char name[64];
    uint32_t count = 99;
    NEED(region);
    CHECK_RESULT(cs_agents_export(region, rows, 16, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_RESULT(
            cs_agent_register(region, suite_name(name, "export", i), CS_NUL, i % CS_AGENT_TYPES, 0, &handles[i]),
            CS_OK);
    CHECK_RESULT(cs_agent_set_status(region, handles[5], CS_AGENT_RUNNING, 0), CS_OK);
    CHECK_RESULT(cs_agent_deregister(region, handles[3], CS_REASON_DEREGISTERED), CS_OK);
    CHECK_RESULT(cs_agents_export(region, rows, 16, &count), CS_OK);
    CHECK_EQUAL(count, 9);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count && i < 16; i++) {
        suite_about("row", i);
        CHECK_RESULT(cs_agent_get(region, rows[i].handle, &info, 0, 0), CS_OK);
        CHECK_EQUAL(rows[i].registered_ns, info.registered_ns);
        CHECK_EQUAL(rows[i].last_seen_ns, info.last_seen_ns);
        CHECK_EQUAL(rows[i].type, info.type);
        CHECK_EQUAL(rows[i].status, info.status);
        CHECK_EQUAL(rows[i].participant, info.participant);
        CHECK_EQUAL(rows[i].id_length, info.id_length);
        CHECK_TEXT(rows[i].id, info.id);
        for (uint32_t k = 0; k < 10; k++)
            seen |= (uint32_t)(rows[i].handle == handles[k]) << k;
    }
    suite_about(0, 0);
    CHECK_EQUAL(seen, 0x3F7);
    suite_fill(rows, 0xEE, sizeof rows);
    CHECK_RESULT(cs_agents_export(region, rows, 4, &count), CS_OK);
    CHECK_EQUAL(count, 4);
    CHECK_EQUAL(rows[4].id_length, 0xEEEEEEEE); /* no more than asked for */
    CHECK_RESULT(cs_agents_export(region, 0, 0, &count), CS_OK);
    CHECK_EQUAL(count, 0);
    suite_close(0);
}
