/* mirror.h, P5: whatever is on the line, and whatever the caller gives. */
#include "mirror_line.h"
#include "mirror_wire.h"

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

/* Frames with a right checksum and false contents: the mirror may say anything, and its readers come to an end. */
void case_mirror_p5_hostile(void)
{
    static const cs_mirror_options options = {0};
    cs_subscription subscription;
    suite_event taken;
    cs_health health;
    cs_engine_snapshot engine;
    cs_agent_info info;
    unsigned char bytes[96];
    char name[64];
    uint32_t length;
    cs_handle handle;
    NEED(open_line(&options, 0, 21));
    start_work(23);
    CHECK(mirrored());
    line.hostile = 20;
    for (uint32_t round = 0; round < ROUNDS(3000); round++) {
        do_something();
        if (round % 8 == 0)
            cs_mirror_picture(&sender);
        CHECK(cs_mirror_step(&sender) >= 0);
        (void)cs_mirror_apply(&receiver);
        /* Whatever the mirror is made to say, its readers come to an end within it. */
        if (cs_region_attach(&mirror, suite_block[1], region_bytes, CS_READ_ONLY, -1) != CS_OK)
            continue;
        (void)cs_engine_read(&mirror, &engine);
        (void)cs_health_read(&mirror, 1000, &health);
        uint32_t cursor = 0;
        while (cs_names_next(&mirror, CS_SECTION_AGENTS, &cursor, &handle, name, &length) == CS_OK)
            (void)cs_agent_get(&mirror, handle, &info, bytes, sizeof bytes);
        (void)cs_agent_find(&mirror, "agent3", CS_NUL, &handle);
        (void)cs_subscribe(&mirror, &subscription, 0);
        for (uint32_t i = 0; i < 40 && suite_take(&mirror, &subscription, &taken); i++) {}
        cs_region_detach(&mirror);
    }
    attached = 0;
    close_line();
}

/* A frame somebody made, to the receiver past the line; what the receiver says. */
static int forge(const frame_head *head, uint32_t payload)
{
    unsigned char frame[64], encoded[80];
    cs_mirror_buffer buffer = {encoded, sizeof encoded, 0};
    uint32_t used, written;
    suite_fill(frame, 0, sizeof frame);
    csi_frame_head(frame, head);
    CHECK_RESULT(csi_cobs_write(frame, FRAME_HEAD + payload + FRAME_CRC, cs_mirror_collect, &buffer, &written), CS_OK);
    return cs_mirror_feed(&receiver, encoded, buffer.filled, &used);
}

/* A source is stayed with while it is heard: no other stream, no recording, no number out of the blue takes its place. */
void case_mirror_pinned(void)
{
    static const cs_mirror_options options = {0};
    const frame_head stranger = {.type = FRAME_BEAT, .stream = 1, .number = 5, .unit = CS_MIRROR_VERSION};
    cs_mirror_status status;
    frame_head own = {.type = FRAME_BEAT, .unit = CS_MIRROR_VERSION};
    unsigned char request[64];
    NEED(open_line(&options, 0, 31));
    cs_mirror_pin(&receiver, 2000000000u);
    start_work(33);
    CHECK(mirrored());
    for (uint32_t i = 0; i < 40; i++)
        CHECK_RESULT(forge(&stranger, 16), CS_OK);
    do_something();
    CHECK(mirrored());
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.refused, 40);
    CHECK_EQUAL(status.restarts, 0);

    /* In the source's own name: a far number is no loss, and old ones in a row are no restart. */
    uint32_t length;
    CHECK_RESULT(cs_mirror_ask(&receiver, request, sizeof request, &length), CS_OK);
    CHECK(csi_cobs_decode(request, length - 1) >= FRAME_HEAD);
    own.stream = get32(request + 4);
    own.number = 0x70000000u;
    uint64_t lost = status.lost;
    CHECK_RESULT(forge(&own, 16), CS_OK);
    own.number = 0;
    for (uint32_t i = 0; i < 40; i++, own.number++)
        CHECK_RESULT(forge(&own, 16), CS_OK);
    do_something();
    CHECK(mirrored());
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.lost, lost);
    CHECK_EQUAL(status.restarts, 0);

    /* The line is down: whoever comes is followed. */
    cs_mirror_silent(&receiver);
    CHECK_RESULT(forge(&stranger, 16), CS_OK);
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.restarts, 1);
    close_line();
}

/* Who speaks another wire version is refused and named at both ends; so is who has a key. */
void case_mirror_versions(void)
{
    static const cs_mirror_options options = {0};
    frame_head other = {.type = FRAME_BEAT, .stream = 9};
    unsigned char frame[FRAME_HEAD + FRAME_CRC], encoded[64];
    cs_mirror_buffer buffer = {encoded, sizeof encoded, 0};
    cs_mirror_status status;
    cs_mirror_sent sent;
    uint32_t length;
    NEED(open_line(&options, 0, 35));
    CHECK_RESULT(forge(&other, 16), CS_E_VERSION);
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.peer_version, 1);
    CHECK_EQUAL(status.refused, 1);
    other.number++;
    CHECK_RESULT(forge(&other, 16), CS_OK); /* it has been told */
    other = (frame_head){.type = FRAME_GREETING, .unit = CS_MIRROR_VERSION | WIRE_KEYED};
    CHECK_RESULT(forge(&other, 24), CS_E_VERSION);
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.peer_version, CS_MIRROR_VERSION | WIRE_KEYED);
    start_work(37);
    CHECK(mirrored()); /* and the source is followed all the same */
    check_same_bytes();
    cs_mirror_told(&receiver, &status);
    CHECK_EQUAL(status.peer_version, CS_MIRROR_VERSION);

    cs_mirror_sent_so_far(&sender, &sent);
    uint64_t pictures = sent.pictures;
    CHECK_RESULT(cs_mirror_here(&receiver, encoded, sizeof encoded, &length), CS_OK);
    cs_mirror_heard(&sender, encoded, length);
    csi_frame_head(frame, &(frame_head){.type = FRAME_ASK});
    CHECK_RESULT(csi_cobs_write(frame, sizeof frame, cs_mirror_collect, &buffer, &length), CS_OK);
    cs_mirror_heard(&sender, encoded, buffer.filled);
    CHECK(mirrored());
    cs_mirror_sent_so_far(&sender, &sent);
    CHECK_EQUAL(sent.pictures, pictures);
    CHECK_EQUAL(sent.declined, 1);
    CHECK_EQUAL(sent.declined_version, 0);
    CHECK_RESULT(cs_mirror_ask(&receiver, encoded, sizeof encoded, &length), CS_OK);
    cs_mirror_heard(&sender, encoded, length);
    CHECK(mirrored());
    cs_mirror_sent_so_far(&sender, &sent);
    CHECK_EQUAL(sent.pictures, pictures + 1);
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
