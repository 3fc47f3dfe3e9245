/*
 * Instructions of the hot operations. Under QEMU with -icount shift=0 an instruction takes a nanosecond of the board's
 * time and SysTick counts at 25 MHz, 40 instructions a tick; each operation is done a thousand times and an empty
 * loop's share taken off. QEMU models no cycles: these are instructions, not time.
 */
#include "corestate/board.h"
#include "corestate/corestate.h"
#include "semihost.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_CURRENT (*(volatile uint32_t *)0xE000E018u)
#define INSTRUCTIONS_A_TICK 40u
#define TIMES 1000u

#define SIZES (16, 16, 16, 4, 8, 64, 32, 4, 2, 24, 32, 8)
#define OF(macro, sizes) macro sizes

/* What a region may take, said as any firmware would: when it is compiled. Without gauges, and a small one. */
_Static_assert(CS_REGION_BYTES(16, 16, 16, 0, 8, 64, 32, 4, 2, 24, 32, 8) <= 12 * 1024, "12 KiB at most");
_Static_assert(CS_REGION_BYTES(4, 4, 8, 0, 4, 16, 24, 4, 1, 0, 16, 8) <= 4 * 1024, "4 KiB at most");

static _Alignas(64) unsigned char memory[OF(CS_REGION_BYTES, SIZES)];
static uint32_t seen[OF(CS_MIRROR_LINES, SIZES)];
static unsigned char frame[256];
static cs_region region;
static cs_mirror_sender sender;
static cs_handle counter, gauge, area, lock, agent;
static uint32_t kind;
static cs_subscription subscription;

uint64_t cs_board_clock_ns(void) { return 1; } /* so that the clock is not what is counted */

static void nothing(uint32_t i) { __asm__ volatile("" : : "r"(i)); }
static void engine_get(uint32_t i) { nothing((uint32_t)cs_engine_get(&region, CS_NEURON_COUNT) + i); }
static void engine_state(uint32_t i) { nothing(cs_engine_state(&region, CS_STATE_BURST) + i); }
static void engine_set(uint32_t i) { (void)cs_engine_set(&region, CS_NEURON_COUNT, i); }
static void engine_add(uint32_t i) { (void)cs_engine_add(&region, CS_BURST_COUNT, i, 0); }
static void state_change(uint32_t i) { (void)cs_engine_set_state(&region, CS_STATE_BURST, i & 1u); }
static void counter_get(uint32_t i)
{
    uint64_t value;
    (void)cs_counter_get(&region, counter, &value);
    nothing((uint32_t)value + i);
}
static void counter_add(uint32_t i) { (void)cs_counter_add(&region, counter, i & 1, 0); }
static void counter_set(uint32_t i) { (void)cs_counter_set(&region, counter, i); }
static void counter_find(uint32_t i)
{
    cs_handle found;
    (void)cs_counter_find(&region, "spikes", 6, &found);
    nothing((uint32_t)found + i);
}
static void gauge_set(uint32_t i)
{
    (void)i;
    (void)cs_gauge_set(&region, gauge, 21.5);
}
static void area_set(uint32_t i) { (void)cs_area_set(&region, area, CS_AREA_NEURON_COUNT, i); }
static void publish(uint32_t i) { (void)cs_event_publish(&region, kind, CS_FORMAT_BYTES, &i, sizeof i, 0); }
static void publish_and_drain(uint32_t i)
{
    uint64_t row[8];
    uint32_t count;
    publish(i);
    (void)cs_events_drain(&region, &subscription, row, sizeof row, 1, &count);
}
static void heartbeat(uint32_t i)
{
    (void)i;
    (void)cs_agent_heartbeat(&region, agent);
}
static void agent_get(uint32_t i)
{
    cs_agent_info info;
    unsigned char details[24];
    (void)i;
    (void)cs_agent_get(&region, agent, &info, details, sizeof details);
}
static void come_and_go(uint32_t i)
{
    cs_handle other;
    (void)i;
    (void)cs_agent_register(&region, "passing", 7, CS_AGENT_MOTOR, 0, &other);
    (void)cs_agent_deregister(&region, other, CS_REASON_DEREGISTERED);
}
static void lock_and_unlock(uint32_t i)
{
    (void)i;
    (void)cs_lock_try(&region, CS_SECTION_LOCKS, lock);
    (void)cs_lock_release(&region, CS_SECTION_LOCKS, lock);
}
static void mirror_idle(uint32_t i)
{
    if (i < TIMES / 10) /* a tenth of the times: it looks at the whole region */
        (void)cs_mirror_step(&sender);
}

static uint32_t ticks(void (*operation)(uint32_t))
{
    uint32_t before = SYSTICK_CURRENT;
    for (uint32_t i = 0; i < TIMES; i++)
        operation(i);
    return (before - SYSTICK_CURRENT) & 0xFFFFFFu;
}

static int swallow(void *context, const void *bytes, uint32_t length)
{
    (void)context, (void)bytes, (void)length;
    return 0;
}

static int begin(void)
{
    static const cs_config config = {.agents = 16,
                                     .areas = 16,
                                     .counters = 16,
                                     .gauges = 4,
                                     .locks = 8,
                                     .events = 64,
                                     .event_bytes = 32,
                                     .event_kinds = 4,
                                     .participants = 2,
                                     .agent_details_bytes = 24,
                                     .key_bytes = 32,
                                     .line_bytes = 8,
                                     .fcl_window = 20};
    const cs_details details = {.capabilities = "twenty bytes of them", .capabilities_length = 20};
    const cs_mirror_options options = {.beat_ms = 1000};
    int result = cs_region_format(memory, sizeof memory, &config, 0);
    result |= cs_region_attach(&region, memory, sizeof memory, CS_PRIVATE, -1);
    result |= cs_counter_open(&region, "spikes", 6, &counter);
    result |= cs_gauge_open(&region, "temperature", 11, &gauge);
    result |= cs_area_open(&region, "v1", 2, &area);
    result |= cs_lock_open(&region, "door", 4, &lock);
    result |= cs_kind_open(&region, "spike", 5, &kind);
    result |= cs_agent_register(&region, "camera", 6, CS_AGENT_SENSORY, &details, &agent);
    result |= cs_subscribe(&region, &subscription, CS_FOREVER);
    result |=
        cs_mirror_open(&sender, &region, &options, seen, sizeof seen / sizeof *seen, frame, sizeof frame, swallow, 0);
    return result;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*operation)(uint32_t);
        uint32_t share; /* of the times that it is done */
    } operations[] = {
        {"engine: read a number", engine_get, 1},
        {"engine: read a state", engine_state, 1},
        {"engine: set a number", engine_set, 1},
        {"engine: add to a number", engine_add, 1},
        {"engine: change a state, with its event", state_change, 1},
        {"counter: read", counter_get, 1},
        {"counter: add", counter_add, 1},
        {"counter: set", counter_set, 1},
        {"counter: find by name", counter_find, 1},
        {"gauge: set", gauge_set, 1},
        {"area: set a field, with its event", area_set, 1},
        {"event: publish 4 bytes", publish, 1},
        {"event: publish and take", publish_and_drain, 1},
        {"agent: heartbeat", heartbeat, 1},
        {"agent: read, with details", agent_get, 1},
        {"agent: register and deregister, with their events", come_and_go, 1},
        {"lock: try and release", lock_and_unlock, 1},
        {"mirror: a look at all of an 11 KiB region", mirror_idle, 10},
    };
    if (begin() != 0)
        return 1;
    SYSTICK_RELOAD = 0xFFFFFF;
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = 5; /* the processor's clock, no interrupt */
    (void)cs_mirror_step(&sender);
    (void)cs_mirror_step(&sender);
    uint32_t empty = ticks(nothing);
    for (uint32_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        uint32_t taken = ticks(operations[i].operation) - empty;
        semihost_number("", taken * operations[i].share * INSTRUCTIONS_A_TICK / TIMES);
        semihost_write(" ");
        semihost_write(operations[i].name);
        semihost_write("\n");
    }
    return 0;
}
