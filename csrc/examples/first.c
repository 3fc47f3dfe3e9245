/*
 * first.c: a region in a static buffer, and a bit of everything that lives in one. Nothing here needs an operating
 * system but the file at the end.
 *
 *   cc -std=c11 first.c $(pkg-config --cflags --libs corestate) -o first && ./first
 */
#include <corestate/corestate.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for 16 areas, counters and agents, 64 events and so on; cs_config_default() has the sizes for a server. */
static const cs_config config = {
    .agents = 16,
    .areas = 16,
    .counters = 16,
    .locks = 8,
    .events = 64,
    .event_bytes = 64,
    .event_kinds = 8,
    .participants = 4,
    .agent_details_bytes = 64,
    .key_bytes = 32,
    .line_bytes = 64,
    .fcl_window = 20,
};
static alignas(64) unsigned char memory[64 * 1024];

/* Functions return a negative code when they fail; cs_strerror() says what it means. */
static void must(const char *what, int code)
{
    if (code < 0) {
        fprintf(stderr, "%s: %s\n", what, cs_strerror(code));
        exit(1);
    }
}

static int write_file(void *file, const void *bytes, uint32_t length)
{
    return fwrite(bytes, 1, length, file) == length ? 0 : 1;
}

int main(void)
{
    cs_region region;
    must("format", cs_region_format(memory, sizeof memory, &config, 0));
    must("attach", cs_region_attach(&region, memory, cs_region_size(&config), CS_PRIVATE, -1));

    /* A subscription is a place in the log; this one begins with whatever comes first. */
    cs_subscription events;
    must("subscribe", cs_subscribe(&region, &events, 0));

    /* The engine: states change under an event each, numbers are plain cells. Reading either is one load. */
    must("state", cs_engine_set_state(&region, CS_STATE_BURST, CS_BURST_RUNNING));
    must("neurons", cs_engine_set(&region, CS_NEURON_COUNT, 100000));
    must("frequency", cs_engine_set_f64(&region, CS_BURST_FREQUENCY, 30.0));
    printf("%llu neurons at %.1f Hz\n", (unsigned long long)cs_engine_get(&region, CS_NEURON_COUNT),
           cs_engine_get_f64(&region, CS_BURST_FREQUENCY));

    /* A counter is made by whoever opens it first. The handle is good until the counter is removed. */
    cs_handle spikes;
    uint64_t total;
    must("counter", cs_counter_open(&region, "spikes", CS_NUL, &spikes));
    must("add", cs_counter_add(&region, spikes, 5, &total));
    printf("%llu spikes\n", (unsigned long long)total);

    /* An agent, with details of its own; what they say is the agent's business. */
    cs_handle camera;
    cs_details details = {.capabilities = "640x480", .capabilities_length = 7};
    must("register", cs_agent_register(&region, "camera", CS_NUL, CS_AGENT_SENSORY, &details, &camera));
    must("status", cs_agent_set_status(&region, camera, CS_AGENT_RUNNING, NULL));

    /* An event of one's own. */
    uint32_t flash;
    must("kind", cs_kind_open(&region, "flash", CS_NUL, &flash));
    must("publish", cs_event_publish(&region, flash, CS_FORMAT_BYTES, "bright", 6, NULL));

    /* All that happened, in order: one row an event, its data behind its head. */
    struct {
        cs_event head;
        unsigned char data[64];
    } rows[8];
    uint32_t count;
    must("drain", cs_events_drain(&region, &events, rows, sizeof rows[0], 8, &count));
    for (uint32_t i = 0; i < count; i++) {
        char kind[64];
        uint32_t length;
        must("kind", cs_kind_name(&region, rows[i].head.kind, kind, &length));
        printf("event %llu: %s\n", (unsigned long long)rows[i].head.sequence, kind);
    }

    /* How are we? */
    cs_health health;
    must("health", cs_health_read(&region, CS_FOREVER, &health));
    printf("health: %s, %u of %u agents\n", health.verdict == CS_HEALTH_OK ? "ok" : "not ok", health.agents,
           health.agents_capacity);

    /* A picture of it all; boards and browsers read the same bytes. */
    cs_snapshot_info picture;
    FILE *file = tmpfile();
    if (!file) {
        perror("a file for the picture");
        return 1;
    }
    must("snapshot", cs_snapshot_write(&region, write_file, file, &picture));
    printf("a picture of %llu bytes\n", (unsigned long long)picture.bytes);
    fclose(file);

    cs_region_detach(&region);
    return count == 4 && total == 5 && health.verdict == CS_HEALTH_OK ? 0 : 1;
}
