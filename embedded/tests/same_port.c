/* A port whose time goes by a microsecond at each look, and whose random numbers are the same every time. */
#include "corestate/port.h"

static uint64_t now = 1700000000000000000u;

uint64_t cs_port_now_ns(void) { return now += 1000; }
uint64_t cs_port_coarse_ns(void) { return now; }
uint64_t cs_port_monotonic_ns(void) { return now; }
uint32_t cs_port_thread(void) { return 1; }

void cs_port_identify(cs_identity *identity) { *identity = (cs_identity){.start = 11, .boot = {22, 33}, .pid = 44}; }

void cs_port_random(uint64_t out[2])
{
    out[0] = 0x0123456789ABCDEFu;
    out[1] = 0xFEDCBA9876543210u;
}

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    (void)word, (void)expected, (void)timeout_ns;
    return CS_E_BUSY; /* alone here: nobody would wake it */
}
void cs_port_wake(const void *word, int all) { (void)word, (void)all; }
int cs_port_sleep(uint64_t ns)
{
    now += ns;
    return CS_OK;
}
void cs_port_pause(void) {}

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle, (void)slot;
    return CS_E_UNSUPPORTED;
}
void cs_port_unclaim(int64_t handle, uint32_t slot) { (void)handle, (void)slot; }
int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    (void)handle, (void)slot;
    return who->start == 11;
}

uint32_t cs_port_enter(void) { return 0; } /* nothing interrupts this program */
void cs_port_leave(uint32_t state) { (void)state; }

/* Nothing forks here. */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle) { (void)mark, (void)who, (void)handle; }
int cs_port_unwatch(uint64_t *mark)
{
    (void)mark;
    return 1;
}
