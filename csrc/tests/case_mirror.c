/* mirror.h: a region and its mirror over a line that loses, repeats, reorders, corrupts and cuts. */
#include "mirror_line.h"

static void check_agents(void)
{
    cs_agent_info info;
    unsigned char bytes[96];
    char name[64];
    uint32_t cursor = 0, length;
    cs_handle handle, found;
    while (cs_names_next(&mirror, CS_SECTION_AGENTS, &cursor, &handle, name, &length) == CS_OK) {
        CHECK_RESULT(cs_agent_find(&mirror, name, length, &found), CS_OK);
        CHECK_EQUAL(found, handle);
        CHECK_RESULT(cs_agent_get(&mirror, handle, &info, bytes, sizeof bytes), CS_OK);
        CHECK_EQUAL(info.type, (uint32_t)(name[5] - '0') % CS_AGENT_TYPES);
        uint32_t total = info.capabilities_length + info.metadata_length;
        for (uint32_t i = 1; i < total; i++)
            CHECK(bytes[i] == bytes[0]);
        CHECK_EQUAL(info.capabilities_length, total / 2);
    }
}

static uint64_t last_seen_event;

static uint64_t check_events(cs_subscription *subscription)
{
    suite_event taken;
    uint64_t number[2], count = 0;
    while (suite_take(&mirror, subscription, &taken)) {
        count++;
        if (taken.event.kind != work.kind)
            continue;
        copy_bytes(number, taken.data.bytes, sizeof number);
        CHECK_EQUAL(number[0], ~number[1]);
        CHECK(number[0] > last_seen_event);
        last_seen_event = number[0];
    }
    return count;
}

static void check_numbers(void)
{
    cs_handle handle;
    uint64_t value = 0;
    cs_engine_snapshot engine;
    CHECK_RESULT(cs_counter_find(&mirror, "halves", CS_NUL, &handle), CS_OK);
    CHECK_RESULT(cs_counter_get(&mirror, handle, &value), CS_OK);
    CHECK_EQUAL(value >> 32, value & 0xFFFFFFFFu);
    CHECK_RESULT(cs_engine_read(&mirror, &engine), CS_OK);
    CHECK_EQUAL(engine.quiet, 1);
    CHECK_EQUAL(engine.cells[CS_NEURON_COUNT], engine.cells[CS_SYNAPSE_COUNT]); /* set together between two rounds */
}

/* -- cases ---------------------------------------------------------------------------------- */

void case_mirror_at_rest(void)
{
    static const cs_mirror_options options = {0};
    cs_mirror_status status;
    cs_mirror_sent sent;
    NEED(open_line(&options, 0, 1));
    CHECK_RESULT(cs_mirror_apply(&receiver), CS_E_NOT_READY);
    start_work(7);
    for (int i = 0; i < 500; i++)
        do_something();
    CHECK(mirrored());
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.ready, 1);
    CHECK_EQUAL(status.behind, 0);
    CHECK_EQUAL(status.pictures, 1);
    CHECK_EQUAL(status.lost + status.repeated + status.corrupt + status.mismatched, 0);
    for (int i = 0; i < 500; i++) {
        do_something();
        CHECK(mirrored());
        check_same_bytes();
    }
    cs_mirror_sent_so_far(&sender, &sent);
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.frames, sent.frames);
    CHECK_EQUAL(status.bytes, sent.bytes + 1); /* and the zero before the first frame */
    CHECK_EQUAL(status.held, 0);
    CHECK_RESULT(cs_mirror_step(&sender), 0); /* nothing changed: nothing to say */
    close_line();
}

static void lossy(uint32_t faults, uint32_t whole, uint64_t seed, uint32_t rounds)
{
    cs_mirror_options options = {.whole = whole};
    cs_health health;
    cs_mirror_status status;
    cs_subscription subscription;
    unsigned char ask[64];
    uint32_t length;
    uint64_t received = 0;
    last_seen_event = 0;
    NEED(open_line(&options, faults, seed));
    start_work(seed + 1);
    int subscribed = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint64_t n = suite_random(&work.seed) % 4; n; n--)
            do_something();
        if (round % 16 == 15) { /* the other way the line is good */
            CHECK_RESULT(cs_mirror_ask(&receiver, ask, sizeof ask, &length), CS_OK);
            cs_mirror_heard(&sender, ask, length);
        }
        if (!mirrored())
            continue;
        if (!subscribed)
            subscribed = CHECK_RESULT(cs_subscribe(&mirror, &subscription, CS_FOREVER), CS_OK);
        check_agents();
        check_numbers();
        received += check_events(&subscription);
    }
    quieten();
    tick();
    cs_mirror_picture(&sender);
    CHECK(mirrored());
    check_same_bytes();
    check_agents();
    if (subscribed) {
        uint64_t first = subscription.next - subscription.lost - received;
        received += check_events(&subscription);
        /* P4 through the mirror: each event once, or counted as lost. */
        CHECK_EQUAL(first + received + subscription.lost, cs_event_newest(source) + 1);
        CHECK_EQUAL(subscription.holes, 0);
        CHECK_EQUAL(last_seen_event, work.published);
    }
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.behind, 0);
    CHECK_RESULT(cs_health_read(&mirror, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.link_loss, status.lost * 1000000u / (status.frames + status.lost));
    CHECK_RESULT(cs_health_read(source, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.link_loss, 0);
    if (faults) {
        CHECK(line.lost && line.repeated && line.reordered && line.corrupted && line.cut);
        CHECK(status.repeated >= line.repeated);
        CHECK(status.corrupt >= line.cut); /* both halves, or the one before the cut */
        CHECK(status.lost >= line.lost);
        CHECK(status.lost <= line.lost + line.corrupted + line.cut + line.reordered);
        CHECK(status.reordered > 0 || whole == 0);
    }
    close_line();
}

void case_mirror_lossy(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS(16); seed++) {
        suite_about("seed", seed);
        lossy(30, seed & 1u, seed * 1000, 400);
    }
}

void case_mirror_clean(void) { lossy(0, 0, 42, 400); }

/* A line of 2,000 bytes a second is not given more, and what changes in the meantime arrives in the end. */
void case_mirror_bounded(void)
{
    static const cs_mirror_options options = {.bytes_per_second = 2000};
    cs_mirror_sent sent;
    uint64_t begun = cs_port_monotonic_ns(), now = begun; /* before the sender's own clock starts */
    NEED(open_line(&options, 0, 3));
    start_work(9);
    while (now - begun < 300000000u) {
        (void)mirrored();
        do_something();
        now = cs_port_monotonic_ns();
    }
    cs_mirror_sent_so_far(&sender, &sent);
    uint64_t allowed = 2000 * (now - begun) / 1000000000u;
    /* What may be sent at once, and a unit that overdraws it: two frames here. */
    CHECK(sent.bytes <= allowed + 2000 / 64 + 3 * sizeof sending);
    CHECK(sent.bytes > 0);
    CHECK(!attached); /* the picture is larger than that */
    close_line();
}

/* A slow line that is looked at often gets what is its own all the same: less than a byte a look adds up. */
void case_mirror_rate(void)
{
    static const cs_mirror_options options = {.bytes_per_second = 1000};
    cs_mirror_sent sent;
    NEED(open_line(&options, 0, 4));
    CHECK_RESULT(cs_mirror_open(&sender, source, &options, seen, sizeof seen / sizeof *seen, sending,
                                CS_MIRROR_FRAME_MIN, take, 0),
                 CS_OK);
    uint64_t earned = 0, begun = cs_port_monotonic_ns(), before = begun, now = begun;
    while (earned < 1200000000u) { /* the picture is larger than that */
        CHECK(cs_mirror_step(&sender) >= 0);
        (void)cs_port_sleep(1000000);
        now = cs_port_monotonic_ns();
        earned += now - before < 10000000u ? now - before : 10000000u; /* of a longer pause some is forfeit */
        before = now;
    }
    cs_mirror_sent_so_far(&sender, &sent);
    CHECK(sent.bytes >= 1200);
    CHECK(sent.bytes <= (now - begun) / 1000000 + CS_MIRROR_FRAME_MIN + 1000 / 64 + 8 * CS_MIRROR_FRAME_MIN);
    CHECK_EQUAL(sent.pictures, 0);
    close_line();
}

/* The source is made anew, or the sender begins again: the receiver starts over and says so. */
void case_mirror_restarts(void)
{
    static const cs_mirror_options options = {0};
    cs_mirror_status status;
    NEED(open_line(&options, 0, 5));
    start_work(11);
    CHECK(mirrored());
    CHECK_RESULT(
        cs_mirror_open(&sender, source, &options, seen, sizeof seen / sizeof *seen, sending, sizeof sending, take, 0),
        CS_OK);
    for (int i = 0; i < 50; i++)
        do_something();
    CHECK(mirrored());
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.restarts, 1);
    CHECK_EQUAL(status.lost, 0);
    suite_close(0);
    cs_region_detach(&mirror);
    attached = 0;
    source = suite_open(0, 0);
    NEED(source);
    CHECK_RESULT(
        cs_mirror_open(&sender, source, &options, seen, sizeof seen / sizeof *seen, sending, sizeof sending, take, 0),
        CS_OK);
    start_work(13);
    CHECK(mirrored());
    check_same_bytes();
    close_line();
}

/*
 * A board that was reset and has nothing that differs from start to start: the same stream, the same instance, numbers that
 * begin anew. Its new region is a new region all the same, also when it has come further than the old one had, and when its
 * numbers have caught up while the receiver still stayed with the source as it was.
 */
static void reset_board(uint64_t pinned_ns)
{
    static const cs_mirror_options options = {0};
    static cs_mirror_sender at_first;
    static struct header header;
    cs_mirror_status status;
    uint64_t value;
    NEED(open_line(&options, 0, 7));
    cs_mirror_pin(&receiver, pinned_ns);
    at_first = sender;
    header = *(struct header *)(void *)suite_block[0];
    start_work(19);
    CHECK(mirrored());
    suite_close(0);
    cs_region_detach(&mirror);
    attached = 0;

    source = suite_open(0, 0);
    NEED(source);
    *(struct header *)(void *)suite_block[0] = header;
    CHECK_RESULT(
        cs_mirror_open(&sender, source, &options, seen, sizeof seen / sizeof *seen, sending, sizeof sending, take, 0),
        CS_OK);
    sender = at_first;
    start_work(19);
    for (int i = 0; i < 200; i++) {
        do_something();
        cs_mirror_picture(&sender); /* as the receiver asks */
        CHECK(cs_mirror_step(&sender) >= 0);
    }
    CHECK(mirrored());
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.restarts, 1);
    CHECK_EQUAL(line.provided, 2);
    CHECK_RESULT(cs_counter_get(&mirror, work.counter, &value), CS_OK);
    close_line();
}

void case_mirror_reset(void)
{
    reset_board(0);
    reset_board(60000000000u);
}

/* Who is attached at the source is alive in its mirror as long as the line is; health says how old the line is. */
void case_mirror_life(void)
{
    static const cs_mirror_options options = {0};
    cs_health health;
    NEED(open_line(&options, 0, 6));
    start_work(15);
    CHECK(mirrored());
    CHECK_RESULT(cs_health_read(&mirror, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.participants_dead, 0);
    CHECK(health.link_age_ns < 1000000000u);
    CHECK_EQUAL(health.reasons, 0);
    cs_mirror_silent(&receiver);
    CHECK_RESULT(cs_health_read(&mirror, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 0);
    CHECK(health.reasons & CS_WHY_DEAD_PARTICIPANTS);
    do_something();
    cs_mirror_picture(&sender);
    CHECK(mirrored());
    CHECK_RESULT(cs_health_read(&mirror, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.participants_live, 1);
    CHECK_EQUAL(health.link_age_ns / 1000000000u, 0);
    struct header *header = (struct header *)(void *)suite_block[1];
    store64(&header->heard_ns, load64(&header->heard_ns) - 3000000000u);
    CHECK_RESULT(cs_health_read(&mirror, CS_FOREVER, &health), CS_OK);
    CHECK(health.link_age_ns >= 3000000000u);
    CHECK_EQUAL(health.reasons, CS_WHY_LINK_SILENT);
    CHECK_RESULT(cs_health_read(source, CS_FOREVER, &health), CS_OK);
    CHECK_EQUAL(health.link_age_ns, 0);
    close_line();
}
