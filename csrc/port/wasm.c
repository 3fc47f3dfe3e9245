/*
 * wasm.c: the port to wasm32, with and without threads.
 *
 * Waiting is memory.atomic.wait32; where that is forbidden (a page's own thread) a wait says what it would have
 * slept on and returns CS_E_BUSY. Who lives is kept in the seats: a participant's identity names its seat's word,
 * and the embedder, who alone hears of a worker's end, buries realms.
 *
 * cs_port_enter and cs_port_leave are not here: wasm has 64-bit atomics, and without threads needs none.
 */
#include "wasm.h"

#include <stdatomic.h>
#include <stdbool.h>

#define PAGE (64u << 10)
#define LOCALS_BYTES 512u /* room for the thread-local words; the build checks that it is enough */

typedef _Atomic uint32_t a32;
typedef _Atomic uint64_t a64;

struct seat {
    a64 word;   /* realm << 32 | number of the taking; 0 free */
    a64 buried; /* the word that was found dead */
    a32 next;   /* address of the next seat, 0 the last */
    uint32_t may_block;
    uint32_t awaited_value;
    const void *awaited;
    uint64_t awaited_ns;
    a32 pillow; /* a word nobody writes, to sleep on */
};
_Static_assert(sizeof(struct seat) + LOCALS_BYTES <= 1024, "head of a seat");

/* One memory, one identity: no other memory's participants can be taken for this one's. */
static a64 memory_id[2];
static a32 seats;   /* address of the newest seat */
static a32 takings; /* how many seats were ever taken: the last one's number */

/* A seat: its stack, growing down towards the previous seat; its head; its thread-local words; room for a heap. */
static _Thread_local struct seat *me;

static struct seat *seat_at(uint32_t address) { return (struct seat *)(uintptr_t)address; }

/* -- seats ----------------------------------------------------------------------------------- */

static int take(struct seat *seat, uint64_t from, uint64_t word, uint32_t may_block)
{
    if (!atomic_compare_exchange_strong(&seat->word, &from, word))
        return 0;
    seat->may_block = may_block;
    return 1;
}

struct seat *cs_wasm_sit(uint32_t realm, uint64_t random, uint32_t may_block)
{
    uint64_t none = 0;
    uint64_t word = (uint64_t)realm << 32 | (atomic_fetch_add(&takings, 1) + 1);
    if (atomic_compare_exchange_strong(&memory_id[0], &none, random | 1))
        atomic_store(&memory_id[1], random * 0x9E3779B97F4A7C15u ^ random >> 29);
    for (struct seat *seat = seat_at(atomic_load(&seats)); seat; seat = seat_at(atomic_load(&seat->next))) {
        uint64_t found = atomic_load(&seat->word);
        if ((!found || found == atomic_load(&seat->buried)) && take(seat, found, word, may_block))
            return seat;
    }
    size_t pages = __builtin_wasm_memory_grow(0, SEAT_BYTES / PAGE);
    if (pages == SIZE_MAX)
        return 0;
    struct seat *seat = seat_at((uint32_t)(pages * PAGE) + SEAT_STACK);
    take(seat, 0, word, may_block);
    uint32_t newest = atomic_load(&seats);
    do
        atomic_store(&seat->next, newest);
    while (!atomic_compare_exchange_strong(&seats, &newest, (uint32_t)(uintptr_t)seat));
    return seat;
}

void *cs_wasm_stack(struct seat *seat) { return seat; }

void *cs_wasm_locals(struct seat *seat) { return (unsigned char *)seat + 1024 - LOCALS_BYTES; }

void cs_wasm_begin(struct seat *seat) { me = seat; }

void cs_wasm_stand_up(void) { atomic_store(&me->word, 0); }

void *wasm_seat_room(void) { return (unsigned char *)me + 1024; }

uint32_t cs_wasm_may_block(uint32_t may_block)
{
    uint32_t was = me->may_block;
    me->may_block = may_block;
    me->awaited_ns = 0;
    return was;
}

const void *cs_wasm_awaited(void) { return me->awaited; }

uint32_t cs_wasm_awaited_value(void) { return me->awaited_value; }

double cs_wasm_awaited_ms(void) { return (double)me->awaited_ns / 1e6; }

uint32_t cs_wasm_bury(uint32_t realm)
{
    uint32_t found = 0;
    for (struct seat *seat = seat_at(atomic_load(&seats)); seat; seat = seat_at(atomic_load(&seat->next))) {
        uint64_t word = atomic_load(&seat->word);
        if (!realm || word >> 32 != realm)
            continue;
        /* Only forward: the seat may have been taken, and its taker buried, since the word was read. */
        uint64_t buried = atomic_load(&seat->buried);
        while ((int32_t)((uint32_t)word - (uint32_t)buried) > 0)
            if (atomic_compare_exchange_weak(&seat->buried, &buried, word)) {
                found++;
                break;
            }
    }
    return found;
}

int64_t cs_wasm_realm(uint32_t index)
{
    struct seat *seat = seat_at(atomic_load(&seats));
    for (; seat && index; index--)
        seat = seat_at(atomic_load(&seat->next));
    if (!seat)
        return -1;
    uint64_t word = atomic_load(&seat->word);
    return word == atomic_load(&seat->buried) ? 0 : (int64_t)(word >> 32);
}

uint64_t cs_wasm_memory(void) { return atomic_load(&memory_id[0]); }

/* -- who lives ------------------------------------------------------------------------------- */

void cs_port_identify(cs_identity *identity)
{
    uint64_t word = atomic_load(&me->word);
    identity->start = word;
    identity->boot[0] = atomic_load(&memory_id[0]);
    identity->boot[1] = atomic_load(&memory_id[1]);
    identity->pid = (uint32_t)word;
    identity->space = 0;
}

uint32_t cs_port_thread(void) { return (uint32_t)atomic_load_explicit(&me->word, memory_order_relaxed); }

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle, (void)slot;
    return CS_E_UNSUPPORTED;
}

void cs_port_unclaim(int64_t handle, uint32_t slot) { (void)handle, (void)slot; }

int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    (void)handle, (void)slot;
    bool joining = !who->start && !who->boot[0] && !who->boot[1]; /* it has not written more than its number yet */
    if (!joining && (who->boot[0] != atomic_load(&memory_id[0]) || who->boot[1] != atomic_load(&memory_id[1])))
        return 0; /* of an image made elsewhere */
    for (struct seat *seat = seat_at(atomic_load(&seats)); seat; seat = seat_at(atomic_load(&seat->next))) {
        uint64_t word = atomic_load(&seat->word);
        if ((uint32_t)word == who->pid && (joining || word == who->start))
            return word != atomic_load(&seat->buried);
    }
    return 0;
}

/* Nothing forks here. */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle) { (void)mark, (void)who, (void)handle; }
int cs_port_unwatch(uint64_t *mark)
{
    (void)mark;
    return 1;
}

/* -- time and chance ------------------------------------------------------------------------- */

static uint64_t ns(double ms) { return ms > 0 ? (uint64_t)(ms * 1e6) : 0; }

uint64_t cs_port_now_ns(void) { return ns(host_now()); }

uint64_t cs_port_coarse_ns(void) { return ns(host_coarse()); }

uint64_t cs_port_monotonic_ns(void) { return ns(host_monotonic()); }

void cs_port_random(uint64_t out[2])
{
    out[0] = host_random();
    out[1] = host_random();
}

/* -- waiting --------------------------------------------------------------------------------- */

/* For an embedder that waits in its own way. */
static int hand_over(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    me->awaited = word;
    me->awaited_value = expected;
    me->awaited_ns = timeout_ns;
    return CS_E_BUSY;
}

static int sleep_on(const void *word, uint32_t expected, uint64_t timeout_ns)
{
#ifdef __wasm_atomics__
    int64_t timeout = timeout_ns > INT64_MAX ? -1 : (int64_t)timeout_ns;
    int late = __builtin_wasm_memory_atomic_wait32((int *)(uintptr_t)word, (int)expected, timeout) == 2;
#else
    /* Nobody else runs, so nobody will write the word: only the time can pass. */
    int late = *(const volatile uint32_t *)word == expected;
    if (late)
        host_sleep((double)timeout_ns / 1e6);
#endif
    return late ? CS_E_TIMEOUT : CS_OK;
}

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    return me->may_block ? sleep_on(word, expected, timeout_ns) : hand_over(word, expected, timeout_ns);
}

int cs_port_sleep(uint64_t time_ns)
{
    if (!me->may_block)
        return hand_over(0, 0, time_ns);
    int slept = sleep_on(&me->pillow, atomic_load(&me->pillow), time_ns);
    return slept == CS_E_TIMEOUT ? CS_OK : slept;
}

void cs_port_wake(const void *word, int all)
{
#ifdef __wasm_atomics__
    __builtin_wasm_memory_atomic_notify((int *)(uintptr_t)word, all ? 0xFFFFFFFFu : 1);
#else
    (void)all;
    host_woken(word);
#endif
}

void cs_port_pause(void) {}
