/* A snapshot into memory: the core writes small pieces, which are put together here instead of called back for. */
#include "instance.h"

#include <string.h>

struct sink {
    unsigned char *bytes;
    uint32_t length;
    uint32_t capacity;
    int full;
};

static int put(void *context, const void *bytes, uint32_t length)
{
    struct sink *sink = context;
    if (length > sink->capacity - sink->length) {
        uint64_t capacity = 2ull * sink->capacity + length;
        unsigned char *larger = capacity <= INT32_MAX ? cs_wasm_allocate((uint32_t)capacity) : 0;
        sink->full = !larger;
        if (sink->full)
            return 1;
        memcpy(larger, sink->bytes, sink->length);
        cs_wasm_free(sink->bytes);
        sink->bytes = larger;
        sink->capacity = (uint32_t)capacity;
    }
    memcpy(sink->bytes + sink->length, bytes, length);
    sink->length += length;
    return 0;
}

int cs_wasm_snapshot(const cs_region *region, void **bytes, uint32_t *length, cs_snapshot_info *info)
{
    struct sink sink = {.bytes = cs_wasm_allocate(4080), .capacity = 4080};
    if (!sink.bytes)
        return CS_E_TOO_BIG;
    int result = cs_snapshot_write(region, put, &sink, info);
    if (result < 0)
        cs_wasm_free(sink.bytes);
    *bytes = result < 0 ? 0 : sink.bytes;
    *length = result < 0 ? 0 : sink.length;
    return sink.full ? CS_E_TOO_BIG : result;
}
