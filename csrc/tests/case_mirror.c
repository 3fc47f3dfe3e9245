/* mirror.h: a region and its mirror over a line that loses, repeats, reorders, corrupts and cuts. */
#include "cases.h"
#include "layout.h"

#define PACKETS 8u
#define PACKET_BYTES 1600u

/* The line: frames as they were written, a few of them on their way. */
static struct line {
    unsigned char packets[PACKETS][PACKET_BYTES];
    uint32_t lengths[PACKETS];
    uint32_t waiting, filled;
    uint64_t seed;
    uint32_t faults; /* percent of frames something happens to */
    uint32_t lost, repeated, reordered, corrupted, cut;
    unsigned char writing[PACKET_BYTES];
} line;

static cs_mirror_sender sender;
static cs_mirror_receiver receiver;
static uint32_t seen[2048];
static unsigned char sending[512], receiving[2048];
static cs_region *source;
static cs_region mirror;
static int attached;
static uint64_t region_bytes;

static void copy_bytes(void *to, const void *from, uint32_t length)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    while (length--)
        *out++ = *in++;
}

static void deliver(const void *bytes, uint32_t length)
{
    const unsigned char *at = bytes;
    uint32_t used = 0;
    while (length) {
        int result = cs_mirror_feed(&receiver, at, length, &used);
        at += used;
        length -= used;
        if (result == CS_OK)
            continue;
        cs_region_info info;
        uint64_t workspace = 0;
        CHECK_RESULT(result, CS_E_NOT_READY);
        CHECK_RESULT(cs_mirror_wanted(&receiver, &info, &workspace), CS_OK);
        CHECK_EQUAL(info.size, region_bytes);
        CHECK(workspace <= SUITE_BLOCK_BYTES);
        suite_fill(suite_block[1], 0, region_bytes);
        CHECK_RESULT(cs_mirror_provide(&receiver, suite_block[1], info.size, suite_block[2], workspace, -1, 0), CS_OK);
    }
}

static void pass_on(uint32_t packet)
{
    deliver(line.packets[packet], line.lengths[packet]);
    line.waiting--;
    for (uint32_t i = packet; i < line.waiting; i++) {
        line.lengths[i] = line.lengths[i + 1];
        copy_bytes(line.packets[i], line.packets[i + 1], line.lengths[i]);
    }
}

static void keep(uint32_t length)
{
    if (line.waiting == PACKETS)
        pass_on(0);
    copy_bytes(line.packets[line.waiting], line.writing, length);
    line.lengths[line.waiting++] = length;
}

/* A whole frame with its zero: what becomes of it. */
static void transmit(void)
{
    uint32_t length = line.filled;
    line.filled = 0;
    keep(length);
    unsigned char *newest = line.packets[line.waiting - 1];
    if (suite_random(&line.seed) % 100 < line.faults) {
        uint64_t dice = suite_random(&line.seed);
        switch (dice % 5) {
        case 0:
            line.waiting--;
            line.lost++;
            return;
        case 1:
            keep(length);
            line.repeated++;
            break;
        case 2:
            line.reordered++;
            return; /* it waits, and a later one may go first */
        case 3:
            newest[(dice >> 8) % (length - 1)] ^= (unsigned char)(1u << (dice >> 40) % 8);
            line.corrupted++;
            break;
        default:
            newest[length / 2] = 0;
            line.lengths[line.waiting - 1] = length / 2 + 1;
            line.cut++;
        }
    }
    pass_on(line.waiting - 1);
}

static int take(void *context, const void *bytes, uint32_t length)
{
    const unsigned char *at = bytes;
    (void)context;
    while (length--) {
        if (line.filled == PACKET_BYTES)
            return -1;
        line.writing[line.filled++] = *at;
        if (!*at++)
            transmit();
    }
    return 0;
}

static void quieten(void)
{
    line.faults = 0;
    while (line.waiting)
        pass_on(0);
}

static int open_line(const cs_mirror_options *options, uint32_t faults, uint64_t seed)
{
    cs_config config = suite_config();
    suite_fill(&line, 0, sizeof line);
    line.seed = seed;
    line.faults = faults;
    attached = 0;
    source = suite_open(0, &config);
    region_bytes = cs_region_size(&config);
    if (!CHECK(source != 0) || !CHECK(cs_mirror_lines(source) <= sizeof seen / sizeof *seen))
        return 0;
    return CHECK_RESULT(cs_mirror_listen(&receiver, receiving, sizeof receiving), CS_OK) &&
           CHECK_RESULT(cs_mirror_open(&sender, source, options, seen, sizeof seen / sizeof *seen, sending,
                                       sizeof sending, take, 0),
                        CS_OK);
}

/* One round of the sender, and what arrived put where readers see it. */
static int mirrored(void)
{
    CHECK(cs_mirror_step(&sender) >= 0);
    int result = cs_mirror_apply(&receiver);
    if (result == 1 && !attached)
        attached = CHECK_RESULT(cs_region_attach(&mirror, suite_block[1], region_bytes, CS_READ_ONLY, -1), CS_OK);
    return attached;
}

static void check_same_bytes(void)
{
    cs_section_info info;
    for (uint32_t kind = 0; kind < CS_SECTIONS; kind++) {
        suite_about(cs_section_name(kind), kind);
        CHECK_RESULT(cs_region_section(source, kind, &info), CS_OK);
        if (kind == CS_SECTION_PARTICIPANTS) /* the mirror says whose life stands for theirs */
            continue;
        CHECK(suite_same(suite_block[0] + info.offset, suite_block[1] + info.offset, info.size));
    }
    suite_about("header", 0);
    CHECK(suite_same(suite_block[0], suite_block[1], offsetof(struct header, applying)));
    suite_about(0, 0);
}

static void close_line(void)
{
    if (attached)
        cs_region_detach(&mirror);
    suite_close(0);
}

/* -- what happens at the source, and what must be true of any mirror of it --------------------- */

static struct work {
    uint64_t seed;
    cs_handle counter, area, agents[8];
    uint32_t kind;
    uint64_t published;
} work;

static void start_work(uint64_t seed)
{
    suite_fill(&work, 0, sizeof work);
    work.seed = seed;
    CHECK_RESULT(cs_counter_open(source, "halves", CS_NUL, &work.counter), CS_OK);
    CHECK_RESULT(cs_area_open(source, "v1", CS_NUL, &work.area), CS_OK);
    CHECK_RESULT(cs_kind_open(source, "tick", CS_NUL, &work.kind), CS_OK);
}

static void do_agent(uint32_t which)
{
    unsigned char bytes[96];
    char name[64];
    uint64_t dice = suite_random(&work.seed);
    uint32_t length = 8 + (uint32_t)(dice >> 8) % 80;
    suite_fill(bytes, (unsigned char)dice, sizeof bytes);
    cs_details details = {.capabilities = bytes,
                          .capabilities_length = length / 2,
                          .metadata = bytes,
                          .metadata_length = length - length / 2};
    if (!work.agents[which])
        CHECK_RESULT(cs_agent_register(source, suite_name(name, "agent", which), CS_NUL, which % CS_AGENT_TYPES,
                                       &details, &work.agents[which]),
                     CS_OK);
    else if (dice % 4)
        CHECK_RESULT(cs_agent_set_details(source, work.agents[which], &details), CS_OK);
    else if (CHECK_RESULT(cs_agent_deregister(source, work.agents[which], 0), CS_OK))
        work.agents[which] = 0;
}

static void tick(void)
{
    uint64_t data[2] = {work.published + 1, ~(work.published + 1)};
    CHECK_RESULT(cs_event_publish(source, work.kind, CS_FORMAT_BYTES, data, sizeof data, 0), CS_OK);
    work.published++;
}

static void do_something(void)
{
    uint64_t dice = suite_random(&work.seed);
    uint32_t n = (uint32_t)(dice >> 32);
    switch (dice % 8) {
    case 0:
        CHECK_RESULT(cs_counter_set(source, work.counter, (uint64_t)n << 32 | n), CS_OK);
        break;
    case 1:
        CHECK_RESULT(cs_engine_set(source, CS_NEURON_COUNT, n), CS_OK);
        CHECK_RESULT(cs_engine_set(source, CS_SYNAPSE_COUNT, n), CS_OK);
        break;
    case 2:
        CHECK_RESULT(cs_engine_set_state(source, CS_STATE_BURST, n % 8), CS_OK);
        break;
    case 3:
        CHECK_RESULT(cs_area_add(source, work.area, n % 3, 1, 0), CS_OK);
        break;
    case 4:
        tick();
        break;
    default:
        do_agent(n % 8);
    }
}

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

/* P5: any bytes on the line. What gets past the CRC of a hostile sender is bounded all the same. */
void case_mirror_p5_garbage(void)
{
    static const cs_mirror_options options = {0};
    uint64_t seed = 77;
    uint32_t used;
    unsigned char noise[256];
    NEED(open_line(&options, 0, 8));
    start_work(17);
    CHECK(mirrored());
    for (uint32_t round = 0; round < ROUNDS(2000); round++) {
        for (uint32_t i = 0; i < sizeof noise; i++)
            noise[i] = (unsigned char)(suite_random(&seed) >> 13);
        CHECK_RESULT(cs_mirror_feed(&receiver, noise, sizeof noise, &used), CS_OK);
        CHECK_EQUAL(used, sizeof noise);
        cs_mirror_heard(&sender, noise, sizeof noise);
    }
    deliver("", 1);
    do_something();
    cs_mirror_picture(&sender);
    CHECK(mirrored());
    check_same_bytes();
    close_line();
}

void case_mirror_refusals(void)
{
    static const cs_mirror_options options = {0};
    cs_region_info info;
    uint64_t workspace;
    uint32_t used, length;
    unsigned char ask[8];
    NEED(open_line(&options, 0, 9));
    CHECK_RESULT(cs_mirror_open(0, source, &options, seen, 2048, sending, 512, take, 0), CS_E_INVALID);
    CHECK_RESULT(cs_mirror_open(&sender, source, &options, seen, 2048, sending, 512, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_mirror_open(&sender, source, &options, seen, 2048, sending, 127, take, 0), CS_E_TOO_BIG);
    CHECK_RESULT(cs_mirror_open(&sender, source, &options, seen, cs_mirror_lines(source) - 1, sending, 512, take, 0),
                 CS_E_TOO_BIG);
    CHECK_RESULT(cs_mirror_listen(&receiver, receiving, 64), CS_E_TOO_BIG);
    CHECK_RESULT(cs_mirror_listen(&receiver, 0, 512), CS_E_INVALID);
    CHECK_RESULT(cs_mirror_feed(&receiver, 0, 1, &used), CS_E_INVALID);
    CHECK_RESULT(cs_mirror_wanted(&receiver, &info, &workspace), CS_E_NOT_READY);
    CHECK_RESULT(cs_mirror_provide(&receiver, suite_block[1], 64, suite_block[2], 64, -1, 0), CS_E_NOT_READY);
    CHECK_RESULT(cs_mirror_apply(&receiver), CS_E_NOT_READY);
    CHECK_RESULT(cs_mirror_ask(&receiver, ask, sizeof ask, &length), CS_E_TOO_BIG);
    suite_close(0);

    cs_config small = suite_config();
    small.budgets = small.reservations = small.values = small.value_bytes = 0;
    source = suite_open(0, &small);
    NEED(source);
    CHECK_EQUAL(CS_MIRROR_LINES(16, 8, 8, 8, 8, 16, 128, 8, 6, 96, 64, 64), cs_mirror_lines(source));
    suite_close(0);
    small.line_bytes = 8;
    small.key_bytes = 16;
    small.agent_details_bytes = 0;
    source = suite_open(0, &small);
    NEED(source);
    CHECK_EQUAL(CS_MIRROR_LINES(16, 8, 8, 8, 8, 16, 128, 8, 6, 0, 16, 8), cs_mirror_lines(source));
    suite_close(0);
}
