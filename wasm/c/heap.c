/*
 * A heap for each instance, in its seat and in what the memory grows by. Blocks come in sizes of powers of two and
 * are kept in a list for each size; nothing is ever cut or joined, so that allocating and freeing are a few
 * loads. Only its own instance touches a heap; when a seat changes hands its pages begin anew with the new one.
 */
#include "instance.h"

#include "wasm.h"

#include <string.h>

#define PAGE (64u << 10)
#define SMALLEST 5u
#define LARGEST 31u

/* Before each block's bytes. */
struct block {
    struct block *next; /* in its list while it is free */
    uint32_t size;      /* log2 of the whole block */
    uint32_t padding[2];
};
_Static_assert(sizeof(struct block) == 16, "blocks keep their bytes aligned");

/* A stretch of memory blocks are cut from. The seat's own room is the first. */
struct extent {
    struct extent *next;
    uint32_t bytes;
    uint32_t used;
    uint32_t padding;
};

struct heap {
    uint32_t ready; /* the number of the thread that made this heap: another one finds it in a seat it takes over */
    struct block *free[LARGEST + 1];
    _Alignas(16) struct extent first; /* followed by the rest of the room */
};
_Static_assert(sizeof(struct heap) < SEAT_ROOM / 2, "room for a heap");

/* The heap of this instance; the extents an earlier one got are used again. */
static struct heap *heap_of_seat(void)
{
    struct heap *heap = wasm_seat_room();
    uint32_t thread = cs_port_thread();
    if (heap->ready == thread)
        return heap;
    heap->first.bytes = SEAT_ROOM - (uint32_t)offsetof(struct heap, first);
    for (struct extent *extent = &heap->first; extent; extent = extent->next)
        extent->used = sizeof *extent;
    memset(heap->free, 0, sizeof heap->free);
    heap->ready = thread;
    return heap;
}

static struct extent *grow(struct heap *heap, uint32_t size)
{
    uint64_t bytes = ((uint64_t)size + sizeof(struct extent) + PAGE - 1) / PAGE * PAGE;
    size_t pages = __builtin_wasm_memory_grow(0, (size_t)(bytes / PAGE));
    if (pages == SIZE_MAX)
        return 0;
    struct extent *extent = (struct extent *)(pages * PAGE);
    *extent = (struct extent){.next = heap->first.next, .bytes = (uint32_t)bytes, .used = sizeof *extent};
    heap->first.next = extent;
    return extent;
}

static struct block *cut(struct heap *heap, uint32_t log2)
{
    uint32_t size = 1u << log2;
    struct extent *extent = &heap->first;
    while (extent && extent->bytes - extent->used < size)
        extent = extent->next;
    if (!extent)
        extent = grow(heap, size);
    if (!extent)
        return 0;
    struct block *block = (struct block *)(void *)((unsigned char *)extent + extent->used);
    extent->used += size;
    block->size = log2;
    return block;
}

void *cs_wasm_allocate(uint32_t bytes)
{
    uint32_t log2 = SMALLEST;
    while (log2 < LARGEST && (1u << log2) - sizeof(struct block) < bytes)
        log2++;
    if (log2 == LARGEST)
        return 0;
    struct heap *heap = heap_of_seat();
    struct block *block = heap->free[log2];
    if (block)
        heap->free[log2] = block->next;
    else
        block = cut(heap, log2);
    return block ? memset(block + 1, 0, bytes) : 0;
}

void cs_wasm_free(void *bytes)
{
    if (!bytes)
        return;
    struct heap *heap = heap_of_seat();
    struct block *block = (struct block *)bytes - 1;
    block->next = heap->free[block->size];
    heap->free[block->size] = block;
}
