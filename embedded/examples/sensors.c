#include "sensors.h"

/* 16 agents, 64 events, 16 areas, 16 counters, 4 gauges, 8 locks; names of up to 31 bytes; no cache, so no padding. */
#define SIZES (16, 16, 16, 4, 8, 64, 32, 4, 2, 24, 32, 8)
#define OF(macro, sizes) macro sizes
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
_Static_assert(OF(CS_REGION_BYTES, SIZES) <= 12 * 1024, "the region takes 12 KiB at most");

cs_region sensors_region;
_Alignas(64) unsigned char sensors_memory[OF(CS_REGION_BYTES, SIZES)];
const uint32_t sensors_memory_bytes = sizeof sensors_memory;

#define SAMPLES_A_BURST 10u
#define SAMPLES_A_SPIKE 100u
#define BURSTS_AWAKE 300u
#define SAMPLES_ASLEEP 1000u

static struct {
    cs_handle agent, gauge;
} sensor[SENSORS];
static cs_handle samples, area;
static uint32_t spike;
static uint32_t bursts;         /* of this stretch of work */
static volatile uint32_t rest;  /* milliseconds of sleep to come; counted by the interrupt */
static volatile uint32_t taken; /* samples of this stretch of work; counted by the interrupt */

static int make_sensors(void)
{
    static const char *const names[SENSORS] = {"temperature", "pressure", "light"};
    static const unsigned char each_millisecond[] = {0x81, 0xA2, 'h', 'z', 0xCD, 0x03, 0xE8}; /* MessagePack: hz 1000 */
    const cs_details details = {.capabilities = each_millisecond, .capabilities_length = sizeof each_millisecond};
    int result = CS_OK;
    for (uint32_t i = 0; i < SENSORS && result == CS_OK; i++) {
        result = cs_agent_register(&sensors_region, names[i], CS_NUL, CS_AGENT_SENSORY, &details, &sensor[i].agent);
        if (result == CS_OK)
            result = cs_gauge_open(&sensors_region, names[i], CS_NUL, &sensor[i].gauge);
    }
    return result;
}

int sensors_begin(void)
{
    int result = cs_region_make(&sensors_region, sensors_memory, sizeof sensors_memory, &config, CS_ZEROED);
    if (result == CS_OK)
        result = cs_counter_open(&sensors_region, "samples", CS_NUL, &samples);
    if (result == CS_OK)
        result = cs_kind_open(&sensors_region, "spike", CS_NUL, &spike);
    if (result == CS_OK)
        result = cs_area_open(&sensors_region, "v1", CS_NUL, &area);
    if (result == CS_OK)
        result = make_sensors();
    if (result == CS_OK)
        result = cs_engine_set_state(&sensors_region, CS_STATE_BURST, CS_BURST_RUNNING);
    return result;
}

/* What the sensors of a board without any would say: saw teeth, 0 to 49.95. */
static double reading(uint32_t which, uint64_t at) { return (double)((uint32_t)(at * (which + 1)) % 1000u) / 20; }

void sensors_sample(void)
{
    if (rest) {
        rest--;
        return;
    }
    if (taken == BURSTS_AWAKE * SAMPLES_A_BURST)
        return; /* this stretch's are all there; the burst that takes the last of them is due */
    uint64_t now = 0;
    (void)cs_counter_add(&sensors_region, samples, 1, &now);
    for (uint32_t i = 0; i < SENSORS; i++)
        (void)cs_gauge_set(&sensors_region, sensor[i].gauge, reading(i, now));
    if (now % SAMPLES_A_SPIKE == 0)
        (void)cs_event_publish(&sensors_region, spike, CS_FORMAT_BYTES, &now, sizeof now, 0);
    taken++;
}

static void fall_asleep(void)
{
    (void)cs_engine_set_f64(&sensors_region, CS_BURST_FREQUENCY, 0);
    (void)cs_engine_set_state(&sensors_region, CS_STATE_BURST, CS_BURST_LIGHT_SLEEP);
    bursts = taken = 0;
    rest = SAMPLES_ASLEEP;
}

void sensors_burst(void)
{
    if (rest)
        return;
    (void)cs_engine_set_state(&sensors_region, CS_STATE_BURST, CS_BURST_RUNNING); /* no change, no event */
    for (; bursts < taken / SAMPLES_A_BURST; bursts++) {
        (void)cs_engine_add(&sensors_region, CS_BURST_COUNT, 1, 0);
        (void)cs_engine_set_f64(&sensors_region, CS_BURST_FREQUENCY, 100);
        (void)cs_engine_set(&sensors_region, CS_NEURON_COUNT, 64 + bursts % 8);
        (void)cs_area_set(&sensors_region, area, CS_AREA_NEURON_COUNT, 64 + bursts % 8);
    }
    if (bursts == BURSTS_AWAKE)
        fall_asleep();
}

void sensors_supervise(void)
{
    for (uint32_t i = 0; i < SENSORS && !rest; i++) {
        (void)cs_agent_set_status(&sensors_region, sensor[i].agent, CS_AGENT_RUNNING, 0);
        (void)cs_agent_heartbeat(&sensors_region, sensor[i].agent);
    }
}

/* -- the mirror ----------------------------------------------------------------------------- */

static cs_mirror_sender sender;
static uint32_t sent_lines[OF(CS_MIRROR_LINES, SIZES)];
static unsigned char frame[256];

int sensors_mirror_begin(cs_write_fn write, void *context, uint32_t bytes_per_second)
{
    const cs_mirror_options options = {.bytes_per_second = bytes_per_second, .picture_ms = 10000};
    return cs_mirror_open(&sender, &sensors_region, &options, sent_lines, sizeof sent_lines / sizeof *sent_lines, frame,
                          sizeof frame, write, context);
}

int sensors_mirror(void) { return cs_mirror_step(&sender); }

void sensors_heard(const void *bytes, uint32_t length) { cs_mirror_heard(&sender, bytes, length); }
