/*
 * fuzz_port.c: a platform in which time passes only when somebody waits, so that a fuzzer need not; and in which who
 * is alive follows from the slot, so that the same input does the same every time.
 */
#include "fuzz_port.h"

#include "corestate/port.h"

static uint64_t now;
uint32_t fuzz_living;
uint64_t fuzz_calls, fuzz_wakes, fuzz_tick = 100;

uint64_t fuzz_time(void) { return now; }
void fuzz_restart(void)
{
    now = 1000000000;
    fuzz_calls = fuzz_wakes = 0;
}

uint64_t cs_port_now_ns(void) { return fuzz_calls++, now += fuzz_tick; }
uint64_t cs_port_coarse_ns(void) { return fuzz_calls++, now; }
uint64_t cs_port_monotonic_ns(void) { return fuzz_calls++, now += fuzz_tick; }
uint32_t cs_port_thread(void) { return 1; }

void cs_port_identify(cs_identity *identity) { *identity = (cs_identity){.start = 1, .boot = {2, 3}, .pid = 4}; }
void cs_port_random(uint64_t out[2])
{
    out[0] = 5;
    out[1] = 6;
}

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    (void)word, (void)expected;
    fuzz_calls++;
    now += timeout_ns;
    return CS_E_TIMEOUT;
}
void cs_port_wake(const void *word, int all)
{
    (void)word, (void)all;
    fuzz_calls++;
    fuzz_wakes++;
}
int cs_port_sleep(uint64_t ns)
{
    fuzz_calls++;
    now += ns;
    return CS_OK;
}
void cs_port_pause(void) { fuzz_calls++, now += 10; }

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle, (void)slot;
    return CS_E_UNSUPPORTED;
}
void cs_port_unclaim(int64_t handle, uint32_t slot) { (void)handle, (void)slot; }
int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    (void)handle, (void)who;
    fuzz_calls++;
    return (fuzz_living >> (slot % 32) & 1u) != 0;
}

uint32_t cs_port_enter(void) { return 0; }
void cs_port_leave(uint32_t state) { (void)state; }

/* Nothing forks here. */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle) { (void)mark, (void)who, (void)handle; }
int cs_port_unwatch(uint64_t *mark)
{
    (void)mark;
    return 1;
}
