/*
 * same_bytes.c: writes a region's image, and says what it finds in one, so that builds for different machines can be
 * compared. No other code knows what it wrote: the Python test has the same values written down a second time.
 *
 *     same_bytes layout            sizes and offsets of everything, of three configurations
 *     same_bytes write FILE        a region with something of everything in it
 *     same_bytes snapshot FILE     the same as a snapshot
 *     same_bytes read FILE         what is in a region, attached read-only
 */
#include <corestate/corestate.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(const char *what, int code)
{
    if (code < 0) {
        fprintf(stderr, "%s: %s\n", what, cs_strerror(code));
        exit(1);
    }
}

static void *aligned(uint64_t size)
{
    void *memory = aligned_alloc(64, (size_t)((size + 63) / 64 * 64));
    if (memory == NULL)
        exit(3);
    memset(memory, 0, (size_t)size);
    return memory;
}

/* -- layout --------------------------------------------------------------------------------- */

static void print_layout(const cs_config *config)
{
    uint64_t size = cs_region_size(config);
    void *memory = aligned(size);
    cs_region region;
    must("format", cs_region_format(memory, size, config, CS_ZEROED));
    must("attach", cs_region_attach(&region, memory, size, CS_READ_ONLY | CS_PRIVATE, -1));
    printf("size %" PRIu64 "\n", size);
    for (uint32_t kind = 0; cs_section_name(kind); kind++) {
        cs_section_info section;
        if (cs_region_section(&region, kind, &section) == CS_OK)
            printf("%s %" PRIu64 " %" PRIu64 " %u %u\n", cs_section_name(kind), section.offset, section.size,
                   section.count, section.stride);
    }
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++)
        if (cs_engine_cell(&region, field))
            printf("%s %zu\n", cs_engine_field_name(field),
                   (size_t)((const char *)cs_engine_cell(&region, field) - (const char *)memory));
    static const uint32_t tables[] = {CS_SECTION_COUNTERS, CS_SECTION_GAUGES};
    for (size_t i = 0; i < 2; i++) {
        cs_column column;
        must("column", cs_names_column(&region, tables[i], &column));
        printf("column %zu %zu %u %u\n", (size_t)((const char *)column.generation - (const char *)memory),
               (size_t)((const char *)column.value - (const char *)memory), column.stride, column.capacity);
    }
    cs_region_detach(&region);
    free(memory);
}

static void layout(void)
{
    cs_config host, board, odd;
    cs_config_default(&host);
    board = host;
    board.agents = 16, board.areas = 16, board.counters = 16, board.gauges = 4, board.locks = 8, board.events = 64;
    board.event_bytes = 32, board.event_kinds = 8, board.participants = 4, board.agent_details_bytes = 0;
    board.key_bytes = 32, board.line_bytes = 8;
    odd = host;
    odd.agents = 7, odd.areas = 0, odd.counters = 3, odd.gauges = 1, odd.locks = 5, odd.events = 2,
    odd.event_bytes = 40;
    odd.event_kinds = 1, odd.participants = 1, odd.agent_details_bytes = 24, odd.key_bytes = 16, odd.line_bytes = 16;
    print_layout(&host);
    print_layout(&board);
    print_layout(&odd);
    printf("structs %zu %zu %zu %zu %zu\n", sizeof(cs_event), sizeof(cs_change), sizeof(cs_agent_row),
           sizeof(cs_agent_info), sizeof(cs_config));
}

/* -- write ---------------------------------------------------------------------------------- */

static void fill(cs_region *region)
{
    cs_handle handle;
    uint32_t kind;
    cs_details details = {.capabilities = "\x81\xa3"
                                          "fps\x1e",
                          .capabilities_length = 6,
                          .metadata = "\xa2ok",
                          .metadata_length = 3};
    must("burst", cs_engine_set_state(region, CS_STATE_BURST, CS_BURST_RUNNING));
    must("api", cs_engine_set_state(region, CS_STATE_API, CS_SERVICE_DEGRADED));
    must("ready", cs_engine_set_state(region, CS_STATE_BRAIN_READY, 1));
    must("synapses", cs_engine_set(region, CS_SYNAPSE_COUNT, 50000000000u));
    must("neurons", cs_engine_set(region, CS_NEURON_COUNT, 0x0123456789ABCDEFu));
    must("frequency", cs_engine_set_f64(region, CS_BURST_FREQUENCY, 40.5));
    must("util", cs_engine_set_f64(region, CS_SYNAPSE_UTIL, 12.25));
    must("fatigue", cs_engine_set(region, CS_FATIGUE_ACTIVE, 1));
    must("hash", cs_engine_set(region, CS_HASH_MORPHOLOGIES, 0xFFFFFFFFFFFFFFFFu));
    must("counter", cs_counter_open(region, "spikes", CS_NUL, &handle));
    must("set", cs_counter_set(region, handle, 0xFEDCBA9876543210u));
    must("gauge", cs_gauge_open(region, "load", CS_NUL, &handle));
    must("set", cs_gauge_set(region, handle, -0.1));
    must("area", cs_area_open(region, "v1", CS_NUL, &handle));
    must("set", cs_area_set(region, handle, CS_AREA_OUTGOING_SYNAPSE_COUNT, 1u << 31));
    must("set", cs_area_set(region, handle, CS_AREA_FCL_WINDOW, 30));
    must("lock", cs_lock_open(region, "device", CS_NUL, &handle));
    must("agent", cs_agent_register(region, "camera \xc3\xbc", CS_NUL, CS_AGENT_SENSORY, &details, &handle));
    must("status", cs_agent_set_status(region, handle, CS_AGENT_RUNNING, NULL));
    must("agent", cs_agent_register(region, "gone", CS_NUL, CS_AGENT_MOTOR, NULL, &handle));
    must("leave", cs_agent_deregister(region, handle, CS_REASON_DEREGISTERED));
    must("kind", cs_kind_open(region, "note", CS_NUL, &kind));
    must("publish", cs_event_publish(region, kind, CS_FORMAT_BYTES, "hello", 5, NULL));
}

static int to_file(void *file, const void *bytes, uint32_t length)
{
    return fwrite(bytes, 1, length, file) == length ? 0 : 1;
}

static void write_image(const char *path, int as_snapshot)
{
    cs_config config;
    cs_config_default(&config);
    config.events = 64;
    uint64_t size = cs_region_size(&config);
    void *memory = aligned(size);
    cs_region region;
    must("format", cs_region_format(memory, size, &config, CS_ZEROED));
    must("attach", cs_region_attach(&region, memory, size, CS_PRIVATE, -1));
    fill(&region);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        exit(3);
    if (as_snapshot)
        must("snapshot", cs_snapshot_write(&region, to_file, file, NULL));
    cs_region_detach(&region);
    if (!as_snapshot && fwrite(memory, 1, (size_t)size, file) != size)
        exit(3);
    if (fclose(file) != 0)
        exit(3);
    free(memory);
}

/* -- read ----------------------------------------------------------------------------------- */

static void print_text(const char *text, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        printf("%02x", (unsigned)(unsigned char)text[i]);
}

static void print_names(cs_region *region)
{
    static const uint32_t tables[] = {CS_SECTION_COUNTERS, CS_SECTION_GAUGES, CS_SECTION_AREAS, CS_SECTION_LOCKS};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        uint32_t cursor = 0, length;
        cs_handle handle;
        char name[64];
        while (cs_names_next(region, tables[i], &cursor, &handle, name, &length) == CS_OK) {
            uint64_t value = 0;
            double number = 0;
            printf("%s ", cs_section_name(tables[i]));
            print_text(name, length);
            if (tables[i] == CS_SECTION_COUNTERS) {
                must("get", cs_counter_get(region, handle, &value));
                printf(" %" PRIu64, value);
            } else if (tables[i] == CS_SECTION_GAUGES) {
                must("get", cs_gauge_get(region, handle, &number));
                printf(" %.17g", number);
            } else if (tables[i] == CS_SECTION_AREAS) {
                for (uint32_t field = 0; field < CS_AREA_FIELDS; field++) {
                    must("get", cs_area_get(region, handle, field, &value));
                    printf(" %" PRIu64, value);
                }
            }
            printf("\n");
        }
    }
}

static void print_agents(cs_region *region)
{
    static cs_agent_row rows[64];
    uint32_t count;
    must("export", cs_agents_export(region, rows, 64, &count));
    for (uint32_t i = 0; i < count; i++) {
        static char details[65536];
        cs_agent_info info;
        must("get", cs_agent_get(region, rows[i].handle, &info, details, sizeof details));
        printf("agent ");
        print_text(info.id, info.id_length);
        printf(" %u %u %" PRIu64 " %" PRIu64 " ", info.type, info.status, info.registered_ns, info.last_seen_ns);
        print_text(details, info.capabilities_length + info.transport_length + info.metadata_length);
        printf("\n");
    }
}

static void print_events(cs_region *region)
{
    cs_region_info info;
    cs_subscription place;
    must("describe", cs_region_describe(region, &info));
    uint32_t row_bytes = (uint32_t)sizeof(cs_event) + info.config.event_bytes, count;
    unsigned char *row = aligned(row_bytes);
    must("subscribe", cs_subscribe(region, &place, 0));
    while (cs_events_drain(region, &place, row, row_bytes, 1, &count) == CS_OK && count) {
        cs_event event;
        char name[64];
        uint32_t length;
        memcpy(&event, row, sizeof event);
        must("kind", cs_kind_name(region, event.kind, name, &length));
        printf("event %" PRIu64 " %" PRIu64 " %s %u %u ", event.sequence, event.time_ns, name, event.source,
               event.format);
        print_text((const char *)row + sizeof event, event.length);
        printf("\n");
    }
    free(row);
}

static void read_image(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        exit(3);
    uint64_t size = (uint64_t)ftell(file);
    void *memory = aligned(size);
    rewind(file);
    if (fread(memory, 1, (size_t)size, file) != size)
        exit(3);
    fclose(file);
    cs_region region;
    must("attach", cs_region_attach(&region, memory, size, CS_READ_ONLY, -1));
    for (uint32_t state = 0; state < CS_STATES; state++)
        printf("%s %u\n", cs_engine_state_name(state), cs_engine_state(&region, state));
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        uint32_t type = cs_engine_field_type(field);
        if (type == CS_TYPE_F64 || type == CS_TYPE_PERCENT)
            printf("%s %.17g\n", cs_engine_field_name(field), cs_engine_get_f64(&region, field));
        else if (type != CS_TYPE_NONE)
            printf("%s %" PRIu64 "\n", cs_engine_field_name(field), cs_engine_get(&region, field));
    }
    print_names(&region);
    print_agents(&region);
    print_events(&region);
    cs_region_detach(&region);
    free(memory);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "layout") == 0)
        layout();
    else if (argc == 3 && strcmp(argv[1], "write") == 0)
        write_image(argv[2], 0);
    else if (argc == 3 && strcmp(argv[1], "snapshot") == 0)
        write_image(argv[2], 1);
    else if (argc == 3 && strcmp(argv[1], "read") == 0)
        read_image(argv[2]);
    else
        return 2;
    return 0;
}
