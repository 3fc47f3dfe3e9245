/* The line of mirror_line.h. */
#include "mirror_line.h"

#include "mirror_wire.h"

struct mirror_line line;
cs_mirror_sender sender;
cs_mirror_receiver receiver;
uint32_t seen[2048];
unsigned char sending[512], receiving[2048];
cs_region *source;
cs_region mirror;
int attached;
uint64_t region_bytes;
struct mirror_work work;

#define PACKET_BYTES 1600u

void copy_bytes(void *to, const void *from, uint32_t length)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    while (length--)
        *out++ = *in++;
}

void deliver(const void *bytes, uint32_t length)
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
        if (line.hostile && result == CS_E_VERSION)
            continue;
        CHECK_RESULT(result, CS_E_NOT_READY);
        result = cs_mirror_wanted(&receiver, &info, &workspace);
        if (line.hostile && (result != CS_OK || info.size != region_bytes || workspace > SUITE_BLOCK_BYTES)) {
            cs_mirror_refuse(&receiver); /* it asks for what nobody has */
            continue;
        }
        CHECK_RESULT(result, CS_OK);
        CHECK_EQUAL(info.size, region_bytes);
        CHECK(workspace <= SUITE_BLOCK_BYTES);
        suite_fill(suite_block[1], 0, region_bytes);
        CHECK_RESULT(cs_mirror_provide(&receiver, suite_block[1], info.size, suite_block[2], workspace, -1, 0), CS_OK);
        line.provided++;
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

static int gather(void *context, const void *bytes, uint32_t length)
{
    (void)context;
    copy_bytes(line.writing + line.filled, bytes, length);
    line.filled += length;
    return 0;
}

/* The frame with some of its bytes changed, under a checksum that is right again: what a hostile sender may send. */
static void falsify(void)
{
    unsigned char frame[PACKET_BYTES];
    uint32_t length = line.filled - 1, ignored;
    copy_bytes(frame, line.writing, length);
    length = csi_cobs_decode(frame, length);
    if (length < 24)
        return;
    for (uint64_t n = suite_random(&line.seed) % 4 + 1; n; n--) {
        uint64_t dice = suite_random(&line.seed);
        uint32_t at = (uint32_t)dice % (dice >> 63 ? 20 : length - 4); /* half of them in the head */
        frame[at] = (unsigned char)(dice >> 32);
    }
    line.filled = 0;
    line.falsified++;
    (void)csi_cobs_write(frame, length, gather, 0, &ignored);
}

/* A whole frame with its zero: what becomes of it. */
static void transmit(void)
{
    if (line.hostile && suite_random(&line.seed) % 100 < line.hostile)
        falsify();
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

int take(void *context, const void *bytes, uint32_t length)
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

void quieten(void)
{
    line.faults = 0;
    while (line.waiting)
        pass_on(0);
}

int open_line(const cs_mirror_options *options, uint32_t faults, uint64_t seed)
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

int mirrored(void)
{
    CHECK(cs_mirror_step(&sender) >= 0);
    int result = cs_mirror_apply(&receiver);
    if (result == 1 && !attached)
        attached = CHECK_RESULT(cs_region_attach(&mirror, suite_block[1], region_bytes, CS_READ_ONLY, -1), CS_OK);
    return attached;
}

void check_same_bytes(void)
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

void close_line(void)
{
    if (attached)
        cs_region_detach(&mirror);
    suite_close(0);
}

/* -- what happens at the source, and what must be true of any mirror of it --------------------- */

void start_work(uint64_t seed)
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

void tick(void)
{
    uint64_t data[2] = {work.published + 1, ~(work.published + 1)};
    CHECK_RESULT(cs_event_publish(source, work.kind, CS_FORMAT_BYTES, data, sizeof data, 0), CS_OK);
    work.published++;
}

void do_something(void)
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
