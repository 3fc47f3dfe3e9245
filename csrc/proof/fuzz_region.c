/*
 * fuzz_region.c: attach, and everything that reads and writes, over images that the input chooses.
 *
 * Input: a byte that picks one of three furnished regions (or, 255, that the rest is an image by itself), four bytes
 * that say who is alive, a byte of attach flags (and whether it is read before the calls, and a picture taken), a byte
 * that says what is read (0: everything; most faults need one reader, and one is quick); then patches (offset 16 bits,
 * kind 8 bits, value) until kind 255, then calls that write (what 8, which 8, value 8 bits).
 */
#define _GNU_SOURCE
#include "fuzz_port.h"
#include "visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define BASES 3u
/* Port time that one call may take in a region whose claims are held by whoever the bytes say: a few patiences. */
#define CALL_BOUND_NS 60000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    cs_config config;
    uint64_t size;
    unsigned char *image;
} bases[BASES];
static unsigned char *arena; /* ends where an inaccessible page begins; another one is before it */
static uint64_t arena_size;

static cs_config config_of(uint32_t base)
{
    cs_config config = rig_config();
    if (base == 1) { /* as a board has it: little, and some of it not at all */
        config.gauges = config.areas = config.budgets = config.values = 0;
        config.agent_details_bytes = 0;
        config.key_bytes = 16;
        config.events = 2;
        config.event_bytes = 24;
        config.participants = 1;
    } else if (base == 2) {
        config.line_bytes = 64;
        config.key_bytes = 64;
        config.agents = 9;
        config.events = 8;
    }
    return config;
}

static void prepare(void)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (uint32_t base = 0; base < BASES; base++) {
        cs_region region;
        bases[base].config = config_of(base);
        bases[base].size = cs_region_size(&bases[base].config);
        NEED(posix_memalign((void **)&bases[base].image, 64, bases[base].size) == 0);
        NEED(cs_region_format(bases[base].image, bases[base].size, &bases[base].config, 0) == CS_OK);
        NEED(cs_region_attach(&region, bases[base].image, bases[base].size, 0, -1) == CS_OK);
        visit_furnish(&region); /* and nobody detaches: a seat, a lock and reservations are left to inherit */
        arena_size = bases[base].size > arena_size ? bases[base].size : arena_size;
    }
    arena_size = (arena_size + page - 1) / page * page;
    unsigned char *whole = mmap(NULL, arena_size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(whole != MAP_FAILED && mprotect(whole + page, arena_size, PROT_READ | PROT_WRITE) == 0);
    arena = whole + page;
}

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << (8 * i);
    return value;
}

/* Words that have broken other programs. */
static const uint64_t nasty[] = {0,          1,          2,          0x7FFFFFFF, 0x80000000,         0xFFFFFFFF,
                                 0xFFFFFFFE, 1ull << 24, 1ull << 40, 1ull << 62, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000,
                                 ~0ull,      ~1ull,      0x00FFFFFF, 0x3FFFFF};

static void patch(struct input *in, unsigned char *memory, uint64_t size)
{
    while (in->at < in->end) {
        uint64_t offset = take(in, 2) * 4 % size;
        uint8_t kind = (uint8_t)take(in, 1);
        if (kind == 255)
            return;
        unsigned bytes = kind & 1u && offset % 8 == 0 ? 8 : 4;
        uint64_t word = 0;
        memcpy(&word, memory + offset, bytes);
        switch (kind >> 1 & 3u) {
        case 0:
            word = take(in, bytes);
            break;
        case 1:
            word = nasty[take(in, 1) % (sizeof nasty / sizeof *nasty)];
            break;
        case 2:
            word += (uint64_t)(int64_t)(int8_t)take(in, 1);
            break;
        default:
            word ^= 1ull << (take(in, 1) % 64);
        }
        memcpy(memory + offset, &word, bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    cs_region region;
    cs_region_info info;
    if (!arena)
        prepare();
    fuzz_restart();
    uint8_t base = (uint8_t)take(&in, 1);
    fuzz_living = (uint32_t)take(&in, 4);
    uint32_t flags = (uint32_t)take(&in, 1), parts = (uint32_t)take(&in, 1);
    parts = parts ? parts : VISIT_ALL;
    uint64_t image_size = base == 255 ? (uint64_t)(in.end - in.at) : bases[base % BASES].size;
    if (image_size > arena_size)
        return -1;
    unsigned char *memory = arena + (arena_size - image_size) / 64 * 64; /* ends at the page behind, or just before */
    ASAN_UNPOISON_MEMORY_REGION(arena, arena_size);
    if (base == 255) {
        memcpy(memory, in.at, image_size);
        in.at = in.end;
    } else {
        memcpy(memory, bases[base % BASES].image, image_size);
        patch(&in, memory, image_size);
    }
    ASAN_POISON_MEMORY_REGION(arena, (size_t)(memory - arena));
    (void)cs_region_probe(memory, image_size, &info);
    if (cs_region_attach(&region, memory, image_size, flags & CS_READ_ONLY, -1) == CS_OK) {
        if (flags & 8)
            visit_read(&region, parts);
        for (int calls = 0; in.at < in.end && calls < 16; calls++) {
            uint32_t what = (uint32_t)take(&in, 1), which = (uint32_t)take(&in, 1);
            uint64_t value = take(&in, 1), begun = fuzz_time();
            value = value & 0x80 ? nasty[value % (sizeof nasty / sizeof *nasty)] : value;
            visit_write(&region, what, which, value);
            NEED(fuzz_time() - begun < CALL_BOUND_NS);
        }
        visit_read(&region, parts);
        if (flags & 4)
            visit_picture(&region);
        cs_region_detach(&region);
    }
    ASAN_UNPOISON_MEMORY_REGION(arena, arena_size);
    return 0;
}
