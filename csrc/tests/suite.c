#include "cases.h"

#include "layout.h"

_Alignas(64) unsigned char suite_block[3][SUITE_BLOCK_BYTES];

static cs_region views[3];
static uint64_t sizes[3];

static const char *case_name = "";
static const char *about_text;
static uint64_t about_number;
static int checks, failures, failures_shown;
#define SHOWN_AT_MOST 200

/* -- reports -------------------------------------------------------------------------------- */

static void write_number(uint64_t number)
{
    char text[24];
    uint32_t at = sizeof text - 1;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    suite_write(text + at);
}

static void failed(const char *what, const char *file, int line)
{
    suite_write("FAIL ");
    suite_write(case_name);
    suite_write(" ");
    suite_write(file);
    suite_write(":");
    write_number((uint64_t)line);
    suite_write(": ");
    suite_write(what);
    if (about_text) {
        suite_write(" [");
        suite_write(about_text);
        suite_write(" ");
        write_number(about_number);
        suite_write("]");
    }
}

/* True when a failure is to be described: all are counted, so many are shown. */
static int show(int holds)
{
    checks++;
    if (holds)
        return 0;
    failures++;
    return ++failures_shown <= SHOWN_AT_MOST;
}

int suite_check(int holds, const char *what, const char *file, int line)
{
    if (show(holds)) {
        failed(what, file, line);
        suite_write("\n");
    }
    return holds;
}

int suite_equal(uint64_t found, uint64_t expected, const char *what, const char *file, int line)
{
    if (show(found == expected)) {
        failed(what, file, line);
        suite_write(" is ");
        write_number(found);
        suite_write(", expected ");
        write_number(expected);
        suite_write("\n");
    }
    return found == expected;
}

int suite_result(int found, int expected, const char *what, const char *file, int line)
{
    if (show(found == expected)) {
        failed(what, file, line);
        suite_write(" says \"");
        suite_write(found > 1 ? "a positive number" : cs_strerror(found));
        suite_write("\", expected \"");
        suite_write(expected > 1 ? "a positive number" : cs_strerror(expected));
        suite_write("\"\n");
    }
    return found == expected;
}

int suite_text(const char *found, const char *expected, const char *what, const char *file, int line)
{
    uint32_t i = 0;
    while (found && expected && found[i] && found[i] == expected[i])
        i++;
    int holds = found && expected ? found[i] == expected[i] : found == expected;
    if (show(holds)) {
        failed(what, file, line);
        suite_write(" is \"");
        suite_write(found ? found : "(null)");
        suite_write("\", expected \"");
        suite_write(expected ? expected : "(null)");
        suite_write("\"\n");
    }
    return holds;
}

void suite_about(const char *text, uint64_t number)
{
    about_text = text;
    about_number = number;
}

/* -- regions -------------------------------------------------------------------------------- */

cs_config suite_config(void)
{
    cs_config config = {.agents = 16,
                        .areas = 8,
                        .counters = 8,
                        .gauges = 8,
                        .locks = 8,
                        .events = 16,
                        .event_bytes = 128,
                        .event_kinds = 8,
                        .participants = 6,
                        .agent_details_bytes = 96,
                        .key_bytes = 64,
                        .line_bytes = 64,
                        .fcl_window = 20,
                        .budgets = 4,
                        .reservations = 8,
                        .values = 16,
                        .value_bytes = 112};
    return config;
}

cs_region *suite_open(uint32_t block, const cs_config *config)
{
    cs_config small = suite_config();
    if (!config)
        config = &small;
    sizes[block] = cs_region_size(config);
    if (!CHECK(sizes[block] != 0) || !CHECK(sizes[block] <= SUITE_BLOCK_BYTES))
        return 0;
    if (!CHECK_RESULT(cs_region_format(suite_block[block], sizes[block], config, 0), CS_OK) ||
        !CHECK_RESULT(suite_join(&views[block], block, 0), CS_OK))
        return 0;
    return &views[block];
}

int suite_join(cs_region *view, uint32_t block, uint32_t flags)
{
    return cs_region_attach(view, suite_block[block], sizes[block], flags, -1);
}

void suite_close(uint32_t block) { cs_region_detach(&views[block]); }

void suite_kill(cs_region *view, uint32_t block)
{
    cs_section_info section;
    cs_participant_info who;
    if (!CHECK_RESULT(cs_region_section(view, CS_SECTION_PARTICIPANTS, &section), CS_OK))
        return;
    for (uint32_t slot = 0; slot < section.count; slot++) {
        if (cs_participant_get(view, slot, &who) != CS_OK || who.id != cs_participant_self(view))
            continue;
        unsigned char *at = suite_block[block] + section.offset + (uint64_t)slot * section.stride;
        struct participant *participant = (struct participant *)(void *)at;
        store64(&participant->word, load64(&participant->word) | (uint64_t)SEAT_DEAD << 52);
        return;
    }
    suite_check(0, "the view to be killed is attached", __FILE__, __LINE__);
}

uint32_t suite_owner(const cs_region *view) { return cs_participant_self(view) & CLAIM_OWNER; }

/* -- small things --------------------------------------------------------------------------- */

uint32_t suite_length(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    return length;
}

char *suite_name(char buffer[64], const char *prefix, uint64_t number)
{
    char digits[24];
    uint32_t at = 0, count = 0;
    for (; prefix[at] && at < 40; at++)
        buffer[at] = prefix[at];
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count)
        buffer[at++] = digits[--count];
    buffer[at] = 0;
    return buffer;
}

int suite_same(const void *a, const void *b, uint64_t length)
{
    const unsigned char *left = a, *right = b;
    for (uint64_t i = 0; i < length; i++)
        if (left[i] != right[i])
            return 0;
    return 1;
}

void suite_fill(void *to, unsigned char byte, uint64_t length)
{
    volatile unsigned char *at = to;
    for (uint64_t i = 0; i < length; i++)
        at[i] = byte;
}

uint64_t suite_sum(const void *bytes, uint64_t length)
{
    const unsigned char *at = bytes;
    uint64_t sum = 14695981039346656037u;
    for (uint64_t i = 0; i < length; i++)
        sum = (sum ^ at[i]) * 1099511628211u;
    return sum;
}

uint64_t suite_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
}

int suite_take(cs_region *region, cs_subscription *subscription, suite_event *out)
{
    uint32_t count = 0;
    CHECK_RESULT(cs_events_drain(region, subscription, out, sizeof *out, 1, &count), CS_OK);
    return count == 1;
}

/* -- the run -------------------------------------------------------------------------------- */

static int starts_with(const char *text, const char *start)
{
    while (*start && *text == *start) {
        text++;
        start++;
    }
    return !*start;
}

static int run_list(const suite_case *list, const char *only)
{
    int run = 0;
    for (; list && list->name; list++) {
        if (only && !starts_with(list->name, only))
            continue;
        int before = failures;
        case_name = list->name;
        failures_shown = 0;
        suite_about(0, 0);
        list->run();
        suite_write(failures == before ? "ok   " : "FAIL ");
        suite_write(list->name);
        suite_write("\n");
        run++;
    }
    return run;
}

#define LIST(name) {#name, case_##name},
static const suite_case suite_cases[] = {SUITE_CASES(LIST){0, 0}};
#undef LIST

int suite_run(const char *only)
{
    int run = run_list(suite_cases, only) + run_list(suite_extra, only);
    suite_write("conformance: ");
    write_number((uint64_t)run);
    suite_write(" cases, ");
    write_number((uint64_t)checks);
    suite_write(" checks, ");
    write_number((uint64_t)failures);
    suite_write(" failed\n");
    if (!run) /* a filter that fits nothing is a mistake, not a success */
        return 1;
    return failures;
}
