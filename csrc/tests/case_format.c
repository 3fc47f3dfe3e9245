/* region.h: how a block of memory becomes a region, and how one that is none is refused. */
#include "cases.h"
#include "layout.h"

static cs_region_info info;

static unsigned char *block(void) { return suite_block[0]; }
static struct header *head(void) { return (struct header *)(void *)suite_block[0]; }

void case_format_refusals(void)
{
    cs_config c = suite_config();
    uint64_t size = cs_region_size(&c);
    suite_fill(block(), 0x5A, size);
    uint64_t before = suite_sum(block(), size);
    CHECK_RESULT(cs_region_format(0, size, &c, 0), CS_E_INVALID);
    CHECK_RESULT(cs_region_format(block(), size, 0, 0), CS_E_INVALID);
    CHECK_RESULT(cs_region_format(block() + 8, size, &c, 0), CS_E_INVALID);
    CHECK_RESULT(cs_region_format(block(), size, &c, CS_READ_ONLY), CS_E_INVALID);
    CHECK_RESULT(cs_region_format(block(), size, &c, 0x80000000), CS_E_INVALID);
    CHECK_RESULT(cs_region_format(block(), size - 1, &c, 0), CS_E_TRUNCATED);
    CHECK_RESULT(cs_region_format(block(), 0, &c, 0), CS_E_TRUNCATED);
    CHECK_EQUAL(suite_sum(block(), size), before);
    CHECK_RESULT(cs_region_format(block(), size + 64, &c, 0), CS_OK); /* more than is needed will do */
    CHECK_RESULT(cs_region_probe(block(), size, &info), CS_OK);
}

void case_format_clears(void)
{
    cs_config c = suite_config();
    uint64_t size = cs_region_size(&c);
    suite_fill(suite_block[0], 0xA5, size);
    suite_fill(suite_block[1], 0, size);
    NEED(CHECK_RESULT(cs_region_format(suite_block[0], size, &c, 0), CS_OK));
    NEED(CHECK_RESULT(cs_region_format(suite_block[1], size, &c, CS_ZEROED), CS_OK));
    struct header *first = (struct header *)(void *)suite_block[0], *second = (struct header *)(void *)suite_block[1];
    CHECK(first->instance[0] != second->instance[0] || first->instance[1] != second->instance[1]);
    /* What a region is made of besides its instance and its time follows from its configuration alone. */
    for (uint32_t i = 0; i < 2; i++)
        first->instance[i] = second->instance[i];
    first->created_ns = second->created_ns;
    CHECK(suite_same(suite_block[0], suite_block[1], size));
}

/* What is made and attached in one is what format makes, and a view like any other. */
void case_make(void)
{
    static cs_region made, other;
    cs_config c = suite_config();
    cs_participant_info seat;
    uint64_t size = cs_region_size(&c);
    suite_fill(block(), 0xA5, size);
    CHECK_RESULT(cs_region_make(0, block(), size, &c, 0), CS_E_INVALID);
    CHECK_RESULT(cs_region_make(&made, block(), size - 1, &c, 0), CS_E_TRUNCATED);
    CHECK_RESULT(cs_region_make(&made, block(), size, &c, CS_READ_ONLY), CS_E_INVALID);
    c.key_bytes = 17;
    CHECK_RESULT(cs_region_make(&made, block(), size, &c, 0), CS_E_RANGE);
    c = suite_config();
    NEED(CHECK_RESULT(cs_region_make(&made, block(), size + 64, &c, 0), CS_OK));
    CHECK_RESULT(cs_region_probe(block(), size, &info), CS_OK);
    CHECK_RESULT(cs_region_describe(&made, &info), CS_OK);
    CHECK_EQUAL(info.size, size);
    CHECK(suite_same(&info.config, &c, sizeof c));
    CHECK_RESULT(cs_participant_get(&made, 0, &seat), CS_OK);
    CHECK_EQUAL(seat.id, cs_participant_self(&made));
    CHECK_RESULT(cs_engine_set(&made, CS_NEURON_COUNT, 7), CS_OK);
    NEED(CHECK_RESULT(cs_region_attach(&other, block(), size, CS_PRIVATE, -1), CS_OK));
    CHECK_EQUAL(cs_engine_get(&other, CS_NEURON_COUNT), 7);
    cs_region_detach(&other);
    cs_region_detach(&made);
}

void case_probe(void)
{
    cs_config c = suite_config();
    uint64_t size = cs_region_size(&c);
    cs_region *region = suite_open(0, 0);
    NEED(region);
    uint64_t before = suite_sum(block(), size);
    suite_fill(&info, 0xFF, sizeof info);
    CHECK_RESULT(cs_region_probe(block(), size, &info), CS_OK);
    CHECK_RESULT(cs_region_probe(block(), size, 0), CS_OK);
    CHECK_EQUAL(suite_sum(block(), size), before);
    CHECK_EQUAL(info.size, size);
    CHECK_EQUAL(info.expected, size);
    CHECK(info.instance[0] != 0 || info.instance[1] != 0);
    CHECK_EQUAL(info.version, CS_LAYOUT_VERSION);
    CHECK_EQUAL(info.byte_order, 0x01020304);
    CHECK_EQUAL(info.ready, 1);
    CHECK_EQUAL(info.sections, CS_SECTIONS);
    CHECK(suite_same(&info.config, &c, sizeof c));

    cs_region_info described;
    suite_fill(&described, 0xFF, sizeof described);
    CHECK_RESULT(cs_region_describe(region, &described), CS_OK);
    CHECK(suite_same(&described, &info, offsetof(cs_region_info, config) + sizeof c));
    CHECK_RESULT(cs_region_describe(0, &described), CS_E_INVALID);
    CHECK_RESULT(cs_region_describe(region, 0), CS_E_INVALID);
    suite_close(0);
}

void case_sections(void)
{
    cs_config c = suite_config();
    cs_region *region = suite_open(0, 0);
    NEED(region);
    uint64_t end = 320; /* the header */
    for (uint32_t kind = 0; kind < CS_SECTIONS; kind++) {
        cs_section_info section;
        suite_about("section", kind);
        CHECK_RESULT(cs_region_section(region, kind, &section), CS_OK);
        CHECK_EQUAL(section.kind, kind);
        CHECK_EQUAL(section.offset, end);
        CHECK_EQUAL(section.offset % 64, 0);
        CHECK((uint64_t)section.count * section.stride <= section.size);
        end = section.offset + section.size;
    }
    suite_about(0, 0);
    CHECK_EQUAL(end, cs_region_size(&c));
    cs_section_info section;
    CHECK_RESULT(cs_region_section(region, CS_SECTIONS, &section), CS_E_INVALID);
    CHECK_RESULT(cs_region_section(region, CS_SECTION_AGENTS, 0), CS_E_INVALID);
    CHECK_RESULT(cs_region_section(region, CS_SECTION_AGENTS, &section), CS_OK);
    CHECK_EQUAL(section.count, c.agents);
    suite_close(0);
}

/* -- malformed headers ---------------------------------------------------------------------- */

static uint64_t good_size;

static void make_good(void)
{
    cs_config c = suite_config();
    good_size = cs_region_size(&c);
    CHECK_RESULT(cs_region_format(block(), good_size, &c, 0), CS_OK);
}

/* Probe and attach agree on the error, and neither writes. */
static void refused(uint64_t size, int expected)
{
    cs_region view;
    uint64_t before = suite_sum(block(), good_size);
    suite_fill(&info, 0xFF, sizeof info);
    CHECK_RESULT(cs_region_probe(block(), size, &info), expected);
    CHECK_RESULT(cs_region_attach(&view, block(), size, 0, -1), expected);
    CHECK_RESULT(cs_region_attach(&view, block(), size, CS_READ_ONLY, -1), expected);
    CHECK_EQUAL(suite_sum(block(), good_size), before);
}

void case_malformed_size(void)
{
    make_good();
    refused(0, CS_E_NOT_REGION);
    refused(7, CS_E_NOT_REGION);
    refused(8, CS_E_TRUNCATED);
    for (uint64_t size = 8; size < good_size; size += size < 512 ? 1 : 960) {
        suite_about("size", size);
        CHECK_RESULT(cs_region_probe(block(), size, &info), CS_E_TRUNCATED);
    }
    suite_about(0, 0);
    refused(good_size - 1, CS_E_TRUNCATED);
    CHECK_EQUAL(info.size, good_size);
    CHECK_EQUAL(info.expected, good_size);
    refused(good_size + 64, CS_E_TRUNCATED);
    refused(CS_FOREVER, CS_E_TRUNCATED);
    cs_region view;
    CHECK_RESULT(cs_region_attach(&view, 0, good_size, 0, -1), CS_E_INVALID);
    CHECK_RESULT(cs_region_attach(0, block(), good_size, 0, -1), CS_E_INVALID);
    CHECK_RESULT(cs_region_attach(&view, block() + 8, good_size, 0, -1), CS_E_INVALID);
    CHECK_RESULT(cs_region_attach(&view, block(), good_size, 0x80000000, -1), CS_E_INVALID);
    CHECK_RESULT(cs_region_probe(0, good_size, &info), CS_E_INVALID);
}

void case_malformed_identity(void)
{
    for (uint32_t i = 0; i < 8; i++) {
        make_good();
        head()->magic[i] ^= 0x20;
        suite_about("magic byte", i);
        refused(good_size, CS_E_NOT_REGION);
        refused(16, CS_E_NOT_REGION);
    }
    suite_about(0, 0);
    suite_fill(block(), 0, good_size);
    refused(good_size, CS_E_NOT_REGION);

    make_good();
    head()->version = CS_LAYOUT_VERSION + 1; /* P9: the error names both, so the info must */
    refused(good_size, CS_E_VERSION);
    CHECK_EQUAL(info.version, CS_LAYOUT_VERSION + 1);
    head()->version = 0;
    refused(good_size, CS_E_VERSION);
    CHECK_EQUAL(info.version, 0);

    make_good();
    head()->byte_order = 0x04030201;
    head()->version = 0x01000000;
    refused(good_size, CS_E_BYTE_ORDER);
    CHECK_EQUAL(info.byte_order, 0x04030201);

    make_good();
    poke32(&head()->ready, 0);
    refused(good_size, CS_E_NOT_READY);
    CHECK_EQUAL(info.ready, 0);
    poke32(&head()->ready, 0xFFFFFFFF);
    refused(good_size, CS_E_CORRUPT);
}

/* A maker that dies leaves the header written up to somewhere: never a region, never a crash. */
void case_malformed_unfinished(void)
{
    for (uint32_t written = 0; written < sizeof(struct header); written++) {
        make_good();
        poke32(&head()->ready, 0);
        suite_fill(block() + written, 0, sizeof(struct header) - written);
        suite_about("written", written);
        int result = cs_region_probe(block(), good_size, &info);
        if (written < 8)
            CHECK_RESULT(result, CS_E_NOT_REGION);
        else if (written >= 16)
            CHECK_RESULT(result, CS_E_NOT_READY);
        else
            CHECK(result != CS_OK);
    }
}

void case_malformed_sections(void)
{
    static const uint32_t wrong[] = {0, 1, 2, 3, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    for (uint32_t kind = 0; kind < CS_SECTIONS; kind++) {
        for (uint32_t field = 0; field < 4; field++) {
            for (uint32_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                make_good();
                struct section *s = &head()->sections[kind];
                uint32_t *word = field == 0 ? &s->offset : field == 1 ? &s->size : field == 2 ? &s->count : &s->stride;
                if (*word == wrong[i])
                    continue;
                *word = wrong[i];
                suite_about("section * 100 + field * 10 + value", kind * 100 + field * 10 + i);
                refused(good_size, CS_E_CORRUPT);
            }
        }
    }
    suite_about(0, 0);
    /* Overlap: two sections at one place; swap: two that changed places; out of range: behind the end. */
    make_good();
    head()->sections[CS_SECTION_LOCKS].offset = head()->sections[CS_SECTION_AGENTS].offset;
    refused(good_size, CS_E_CORRUPT);
    make_good();
    struct section kept = head()->sections[CS_SECTION_COUNTERS];
    head()->sections[CS_SECTION_COUNTERS].offset = head()->sections[CS_SECTION_GAUGES].offset;
    head()->sections[CS_SECTION_GAUGES].offset = kept.offset;
    refused(good_size, CS_E_CORRUPT);
    make_good();
    head()->sections[CS_SECTION_PARTICIPANTS].offset = (uint32_t)(good_size / 64);
    refused(good_size, CS_E_CORRUPT);
}

void case_malformed_fields(void)
{
    static const uint32_t wrong[] = {0, 1, 3, 7, 65, 0x80000000, 0xFFFFFFFF};
    for (uint32_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        suite_about("value", wrong[i]);
        make_good();
        head()->section_count = wrong[i];
        refused(good_size, CS_E_CORRUPT);
        make_good();
        head()->key_bytes = wrong[i];
        refused(good_size, CS_E_CORRUPT);
        make_good();
        head()->line_bytes = wrong[i];
        refused(good_size, CS_E_CORRUPT);
        make_good();
        head()->event_bytes = wrong[i];
        refused(good_size, CS_E_CORRUPT);
        make_good();
        head()->agent_details_bytes = wrong[i];
        refused(good_size, CS_E_CORRUPT);
        make_good();
        head()->size = wrong[i];
        refused(good_size, CS_E_CORRUPT);
    }
    suite_about(0, 0);
    make_good();
    head()->size = CS_FOREVER;
    refused(good_size, CS_E_CORRUPT);
}

/* P5: any bytes in a header end in an error or in a region that can be read; never elsewhere. */
void case_malformed_at_random(void)
{
    uint64_t state = 7;
    for (uint32_t round = 0; round < ROUNDS(20000u); round++) {
        make_good();
        for (uint32_t changes = 0; changes < 1 + round % 3; changes++) {
            uint64_t bits = suite_random(&state);
            block()[bits % sizeof(struct header)] = (unsigned char)(bits >> 32);
        }
        cs_region view;
        cs_health health;
        suite_about("round", round);
        int probed = cs_region_probe(block(), good_size, &info);
        int attached = cs_region_attach(&view, block(), good_size, 0, -1);
        CHECK_RESULT(attached, probed);
        if (attached == CS_OK) {
            CHECK_RESULT(cs_health_read(&view, CS_FOREVER, &health), CS_OK);
            cs_region_detach(&view);
        }
    }
}
