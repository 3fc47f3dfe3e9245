/*
 * bytes.c: a furnished region, made on a platform whose clock and identity are always the same, has the bytes it had
 * when this layout version was made. Who changes them on purpose changes CS_LAYOUT_VERSION, and the sums here; the sums
 * alone where only bytes that nobody reads are others, as when dropped values came to be overwritten with zeros.
 *
 *   bytes
 */
#include "crc32c.h"
#include "fuzz_port.h"
#include "visit.h"

#include <stdio.h>
#include <stdlib.h>

void cs_crash_point(void);
void cs_read_point(void);
void cs_crash_point(void) {}
void cs_read_point(void) {}

static const struct {
    uint32_t line_bytes, sum;
} expected[] = {{8, 0xc6dc95bd}, {64, 0x1dda9ae1}};

int main(void)
{
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cs_config config = rig_config();
        cs_region region;
        config.line_bytes = expected[i].line_bytes;
        uint64_t size = cs_region_size(&config);
        unsigned char *memory = aligned_alloc(64, (size + 63) / 64 * 64);
        fuzz_restart();
        fuzz_living = ~0u;
        fuzz_tick = 0;
        NEED(memory && cs_region_format(memory, size, &config, 0) == CS_OK);
        NEED(cs_region_attach(&region, memory, size, 0, -1) == CS_OK);
        visit_furnish(&region);
        uint32_t sum = csi_crc32c(0, memory, (size_t)size);
        rig_doing("lines of %u bytes", config.line_bytes);
        EXPECT(sum == expected[i].sum, "%llu bytes of layout version %u have the sum %#x, and had %#x",
               (unsigned long long)size, (unsigned)CS_LAYOUT_VERSION, sum, expected[i].sum);
        free(memory);
    }
    (void)printf("%zu regions have the bytes they had; %llu differ\n", sizeof expected / sizeof *expected,
                 (unsigned long long)rig_faults);
    return rig_faults ? 1 : 0;
}
