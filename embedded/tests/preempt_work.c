#include "preempt.h"

#include <string.h>

cs_handle cell, total, gauge, area, lock;
uint32_t kind;
static cs_handle still_gauge, sum, standing;

static int whole(uint64_t value) { return (uint32_t)(value >> 32) == (uint32_t)value; }

/* In the middle of the same thing the other one is passed over, never waited for: an interrupt cannot wait. */
int done(actor *a, int result)
{
    a->refused += result == CS_E_BUSY;
    EXPECT(result >= 0 || result == CS_E_BUSY);
    return result >= 0;
}

void begin(actor *one, actor *two)
{
    EXPECT(cs_counter_open(&region, "cell", CS_NUL, &cell) == CS_OK);
    EXPECT(cs_counter_open(&region, "total", CS_NUL, &total) == CS_OK);
    EXPECT(cs_gauge_open(&region, "gauge", CS_NUL, &gauge) == CS_OK);
    EXPECT(cs_gauge_open(&region, "still", CS_NUL, &still_gauge) == CS_OK);
    EXPECT(cs_gauge_open(&region, "sum", CS_NUL, &sum) == CS_OK);
    EXPECT(cs_area_open(&region, "v1", CS_NUL, &area) == CS_OK);
    EXPECT(cs_lock_open(&region, "door", CS_NUL, &lock) == CS_OK);
    EXPECT(cs_kind_open(&region, "tick", CS_NUL, &kind) == CS_OK);
    EXPECT(cs_agent_register(&region, "standing", CS_NUL, CS_AGENT_BOTH, 0, &standing) == CS_OK);
    EXPECT(cs_agent_set_status(&region, standing, CS_AGENT_RUNNING, 0) == CS_OK);
    EXPECT(cs_subscribe(&region, &one->subscription, CS_FOREVER) == CS_OK);
    EXPECT(cs_subscribe(&region, &two->subscription, CS_FOREVER) == CS_OK);
    one->subscription.next = two->subscription.next = 1;
}

/* -- writing -------------------------------------------------------------------------------- */

static void write_details(actor *a, uint32_t n)
{
    unsigned char bytes[64];
    uint32_t length = 8 + n % 56;
    memset(bytes, (int)(n & 0xFFu), sizeof bytes);
    cs_details details = {.capabilities = bytes,
                          .capabilities_length = length / 2,
                          .metadata = bytes,
                          .metadata_length = length - length / 2};
    (void)done(a, cs_agent_set_details(&region, standing, &details));
}

static void publish(actor *a)
{
    uint64_t data[3] = {a->published + 1, ~(a->published + 1), a->number};
    if (done(a, cs_event_publish(&region, kind, CS_FORMAT_BYTES, data, sizeof data, 0)))
        a->published++;
}

static void come_or_go(actor *a)
{
    if (a->agent) {
        if (done(a, cs_agent_deregister(&region, a->agent, CS_REASON_DEREGISTERED)))
            a->agent = 0;
    } else if (!done(a, cs_agent_register(&region, a->name, CS_NUL, a->number, 0, &a->agent))) {
        a->agent = 0;
    }
}

static void take_the_lock(actor *a)
{
    if (!done(a, cs_lock_try(&region, CS_SECTION_LOCKS, lock)))
        return;
    uint64_t spent = 0;
    EXPECT(cs_area_get(&region, area, CS_AREA_NEURON_COUNT, &spent) == CS_OK);
    EXPECT(cs_area_set(&region, area, CS_AREA_NEURON_COUNT, spent + 1) == CS_OK); /* lost if two were in here */
    a->spent++;
    EXPECT(cs_lock_release(&region, CS_SECTION_LOCKS, lock) == CS_OK);
}

/* A counter of its own that comes and goes, in a table that the other one looks through and changes too. */
static void open_or_remove(actor *a)
{
    cs_handle handle = 0;
    if (cs_counter_find(&region, a->name, CS_NUL, &handle) == CS_OK)
        (void)done(a, cs_counter_remove(&region, handle));
    else
        (void)done(a, cs_counter_open(&region, a->name, CS_NUL, &handle));
}

static void count_with_others(actor *a)
{
    EXPECT(cs_area_add(&region, area, CS_AREA_INCOMING_SYNAPSE_COUNT, 1, 0) == CS_OK);
    EXPECT(cs_gauge_add(&region, sum, 1, 0) == CS_OK);
    a->counted++;
    uint64_t seen = 0;
    EXPECT(cs_counter_get(&region, total, &seen) == CS_OK);
    if (cs_counter_compare_exchange(&region, total, &seen, seen + 0x100000001) == CS_OK)
        a->added += 0x100000001;
}

void write_something(actor *a)
{
    uint32_t n = ++a->writes;
    switch (random_below(&a->seed, 15)) {
    case 0:
        EXPECT(cs_engine_set(&region, CS_NEURON_COUNT, halves(n)) == CS_OK);
        break;
    case 1:
        EXPECT(cs_counter_set(&region, cell, halves(n)) == CS_OK);
        break;
    case 2:
        EXPECT(cs_counter_add(&region, total, 0x100000001, 0) == CS_OK);
        a->added += 0x100000001;
        break;
    case 3:
        EXPECT(cs_gauge_set(&region, gauge, (double)n + 0.5) == CS_OK);
        break;
    case 4:
        write_details(a, n);
        break;
    case 5:
    case 6:
        publish(a);
        break;
    case 7:
        come_or_go(a);
        break;
    case 8:
        take_the_lock(a);
        break;
    case 9:
        EXPECT(cs_agent_heartbeat(&region, standing) == CS_OK);
        break;
    case 10:
        (void)done(a, cs_agent_set_status(&region, standing, n & 1u ? CS_AGENT_RUNNING : CS_AGENT_PAUSED, 0));
        break;
    case 11:
        open_or_remove(a);
        break;
    case 12:
        count_with_others(a);
        break;
    case 13:
        write_the_rest(a);
        break;
    default:
        (void)done(a, cs_engine_set_state(&region, CS_STATE_BURST, n % 8));
    }
}

/* -- reading -------------------------------------------------------------------------------- */

static void read_details(void)
{
    cs_agent_info info;
    unsigned char bytes[64];
    int result = cs_agent_get(&region, standing, &info, bytes, sizeof bytes);
    EXPECT(result == CS_OK || result == CS_E_BUSY);
    uint32_t length = info.capabilities_length + info.transport_length + info.metadata_length;
    if (result != CS_OK || !length)
        return;
    int same = 1;
    for (uint32_t i = 1; i < length; i++)
        same &= bytes[i] == bytes[0];
    EXPECT(same);
    EXPECT(length == 8 + length % 56 || length < 64);
    EXPECT(info.capabilities_length == length / 2);
}

static void drain(actor *a)
{
    struct row {
        cs_event event;
        union {
            uint64_t words[4];
            cs_change change;
        } data;
    } row;
    uint32_t count;
    EXPECT(cs_events_drain(&region, &a->subscription, &row, sizeof row, 1, &count) == CS_OK);
    if (!count)
        return;
    a->received++;
    if (row.event.kind != kind)
        return;
    EXPECT(row.event.length == 24 && row.data.words[0] == ~row.data.words[1] && row.data.words[2] < 2);
    uint64_t *seen = &a->seen[row.data.words[2] & 1];
    EXPECT(row.data.words[0] > *seen); /* each once, in order */
    *seen = row.data.words[0];
}

static void read_agents(void)
{
    static const char *const names[] = {"main", "interrupt"};
    cs_agent_row rows[8];
    uint32_t count = 0;
    EXPECT(cs_agents_export(&region, rows, 8, &count) == CS_OK);
    EXPECT(count >= 1 && count <= 3);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t which = rows[i].id[0] == 'm' ? 0 : rows[i].id[0] == 'i' ? 1 : 2;
        EXPECT(memcmp(rows[i].id, which < 2 ? names[which] : "standing", rows[i].id_length) == 0);
        EXPECT(rows[i].type == which); /* CS_AGENT_BOTH is 2 */
    }
    cs_handle found;
    int result = cs_agent_find(&region, "standing", CS_NUL, &found);
    EXPECT(result == CS_OK && found == standing);
    result = cs_agent_find(&region, "main", CS_NUL, &found);
    EXPECT(result == CS_OK || result == CS_E_NOT_FOUND || result == CS_E_BUSY);
}

static void read_names(void)
{
    char name[64];
    uint32_t cursor = 0, length, count = 0;
    cs_handle handle;
    while (cs_names_next(&region, CS_SECTION_COUNTERS, &cursor, &handle, name, &length) == CS_OK) {
        count++;
        EXPECT(length >= 4 && length <= 9); /* "cell" to "interrupt" */
    }
    EXPECT(count >= 2 && count <= 4);
    EXPECT(cs_names_count(&region, CS_SECTION_COUNTERS, &count) == CS_OK && count <= 4);
}

static void read_engine(void)
{
    cs_engine_snapshot snapshot;
    EXPECT(cs_engine_read(&region, &snapshot) == CS_OK);
    EXPECT(whole(snapshot.cells[CS_NEURON_COUNT]));
    EXPECT(snapshot.states[CS_STATE_BURST] < 8);
}

void read_something(actor *a)
{
    uint64_t value = 0;
    double number = 0;
    switch (a->step++ % 10) {
    case 0:
        EXPECT(whole(cs_engine_get(&region, CS_NEURON_COUNT)));
        break;
    case 1:
        EXPECT(cs_counter_get(&region, cell, &value) == CS_OK && whole(value));
        break;
    case 2:
        EXPECT(cs_counter_get(&region, total, &value) == CS_OK && whole(value));
        break;
    case 3:
        EXPECT(cs_gauge_get(&region, gauge, &number) == CS_OK);
        EXPECT(number == 0 || number - (double)(uint32_t)number == 0.5);
        break;
    case 4:
        read_details();
        break;
    case 5:
        drain(a);
        break;
    case 6:
        read_agents();
        break;
    case 7:
        read_names();
        break;
    case 8:
        read_the_rest();
        break;
    default:
        read_engine();
    }
}

static void read_everything(actor *a)
{
    for (uint64_t before = a->received - 1; before != a->received;) {
        before = a->received;
        drain(a);
    }
}

/* -- waiting --------------------------------------------------------------------------------- */

void wait_for_something(actor *a)
{
    uint64_t seen = 0, value = 0;
    double number = 0;
    EXPECT(cs_counter_get(&region, total, &seen) == CS_OK);
    EXPECT(cs_counter_wait(&region, total, seen, CS_FOREVER, &value) == CS_OK && value != seen);
    read_everything(a);
    EXPECT(cs_events_wait(&region, &a->subscription, CS_FOREVER) == CS_OK);
    /* Nobody changes this one, so the time ends the wait. */
    EXPECT(cs_gauge_wait(&region, still_gauge, 0, 20000, &number) == CS_E_TIMEOUT);
}

void never_wait(void)
{
    uint64_t value = 0;
    cs_subscription subscription;
    EXPECT(cs_counter_get(&region, cell, &value) == CS_OK);
    EXPECT(cs_counter_wait(&region, cell, value, CS_FOREVER, &value) == CS_E_BUSY);
    EXPECT(cs_subscribe(&region, &subscription, CS_FOREVER) == CS_OK);
    EXPECT(cs_events_wait(&region, &subscription, CS_FOREVER) == CS_E_BUSY);
    int result = cs_lock_acquire(&region, CS_SECTION_LOCKS, lock, CS_FOREVER);
    EXPECT(result == CS_OK || result == CS_E_BUSY);
    if (result == CS_OK)
        EXPECT(cs_lock_release(&region, CS_SECTION_LOCKS, lock) == CS_OK);
}

/* -- the books ------------------------------------------------------------------------------ */

void balance(actor *one, actor *two) /* the main loop, the interrupt */
{
    publish(one); /* both readers must end on these */
    publish(two);
    read_everything(one);
    read_everything(two);
    uint64_t value = 0;
    EXPECT(cs_counter_get(&region, total, &value) == CS_OK && value == one->added + two->added);
    EXPECT(cs_area_get(&region, area, CS_AREA_NEURON_COUNT, &value) == CS_OK && value == one->spent + two->spent);
    EXPECT(cs_area_get(&region, area, CS_AREA_INCOMING_SYNAPSE_COUNT, &value) == CS_OK);
    EXPECT(value == one->counted + two->counted);
    double summed = 0;
    EXPECT(cs_gauge_get(&region, sum, &summed) == CS_OK && summed == (double)value);
    EXPECT(cs_engine_get(&region, CS_BURST_COUNT) == one->bursts + two->bursts && one->bursts && two->bursts);
    uint64_t newest = cs_event_newest(&region);
    actor *both[2] = {one, two};
    for (int i = 0; i < 2; i++) {
        const cs_subscription *s = &both[i]->subscription;
        EXPECT(s->next == newest + 1);
        EXPECT(both[i]->received + s->lost + s->holes == newest); /* P4: each once, or counted as lost */
        EXPECT(both[i]->seen[0] == one->published && both[i]->seen[1] == two->published);
    }
    /* An interrupt ends before the main loop goes on, so only the interrupt finds the other in the middle of something. */
    EXPECT(one->refused == 0 && two->refused > 0);
    EXPECT(one->published > 0 && two->published > 0 && one->spent > 0 && two->spent > 0);
    EXPECT(cs_sweep(&region) == 0);
    uint32_t live = 0;
    EXPECT(cs_names_count(&region, CS_SECTION_AGENTS, &live) == CS_OK);
    EXPECT(live == 1u + (one->agent != 0) + (two->agent != 0));
    EXPECT(cs_engine_get(&region, CS_AGENT_COUNT) == live);
}
