/*
 * between.c: a reader in whose middle somebody else writes: before its first load, its second, its third and so on, the
 * writer does a whole deed, once or several times over. What the reader then gets was true at some moment, whole.
 * The compiler and the processor do not get a say in it: this is about steps, not about orders (for those, see
 * models/loom).
 *
 *   between
 */
#include "fuzz_port.h"
#include "rig.h"

#include "corestate/port.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cs_crash_point(void);
void cs_read_point(void);

static cs_region reader, writer, victim;
static cs_handle agent, counter;
static uint32_t kind, value_lock, detail_round;
static uint64_t countdown, loads, moments;
static uint32_t dying_after;
static jmp_buf death;
static void (*deed)(uint32_t);
static uint32_t deeds;
static bool done;

void cs_crash_point(void)
{
    if (dying_after && --dying_after == 0)
        longjmp(death, 1);
}
void cs_read_point(void)
{
    if (!countdown)
        return;
    loads++;
    if (--countdown)
        return;
    for (uint32_t i = 0; i < deeds; i++)
        deed(i);
    done = true;
}

static void fill(char text[24], uint32_t round) { memset(text, 'a' + (int)(round % 26), 24); }

/* -- an agent's details, and what is told with them ---------------------------------------------------------- */

static void set_details(uint32_t unused)
{
    char text[24];
    (void)unused;
    fill(text, ++detail_round);
    uint32_t length = 8 + detail_round % 3;
    cs_details details = {text, text, text, length, length, length};
    NEED(cs_agent_set_details(&writer, agent, &details) == CS_OK);
}

/* And another one sets out to do the same, and dies on the way. */
static void set_details_and_die(uint32_t round)
{
    set_details(round);
    if (round + 1 < deeds)
        return;
    fuzz_living = ~0u;
    dying_after = 4 + detail_round % 3; /* the claim, and some of the buffer */
    if (setjmp(death) == 0) {
        char text[24];
        memset(text, '?', sizeof text);
        cs_details details = {text, text, text, 8, 8, 8};
        (void)cs_agent_set_details(&victim, agent, &details);
        NEED(dying_after == 0);
    }
    fuzz_living &= ~(1u << ((cs_participant_self(&victim) - 1) & 31u));
}

/* First the heartbeat: nobody sees the new details with the old time. */
static void beat_and_set_details(uint32_t unused)
{
    (void)cs_port_now_ns();
    NEED(cs_agent_heartbeat(&writer, agent) == CS_OK);
    set_details(unused);
}

static void change_status_and_details(uint32_t unused)
{
    cs_agent_info info;
    unsigned char bytes[64];
    NEED(cs_agent_get(&writer, agent, &info, bytes, sizeof bytes) == CS_OK);
    NEED(cs_agent_set_status(&writer, agent, info.status == CS_AGENT_RUNNING ? CS_AGENT_PAUSED : CS_AGENT_RUNNING, 0) ==
         CS_OK);
    set_details(unused);
}

static void read_agent(void)
{
    cs_agent_info before, info, after;
    unsigned char bytes[64], aside[64];
    uint64_t armed = countdown;
    countdown = 0;
    NEED(cs_agent_get(&writer, agent, &before, aside, sizeof aside) == CS_OK);
    countdown = armed;
    int result = cs_agent_get(&reader, agent, &info, bytes, sizeof bytes);
    countdown = 0;
    NEED(cs_agent_get(&writer, agent, &after, aside, sizeof aside) == CS_OK);
    EXPECT(result == CS_OK, "reading an agent gives %s", cs_strerror(result));
    if (result != CS_OK)
        return;
    uint32_t round = (uint32_t)info.details_version, length = 8 + (round - 1) % 3;
    EXPECT(info.capabilities_length == length && info.transport_length == length && info.metadata_length == length,
           "version %u has the lengths of another", round);
    for (uint32_t i = 1; i < 3 * length; i++)
        EXPECT(bytes[i] == bytes[0], "half of one version's details and half of another's");
    EXPECT(bytes[0] == 'a' + (int)((round - 1) % 26), "version %u's details are another's", round);
    EXPECT(info.details_version != after.details_version || before.details_version == after.details_version ||
               (info.last_seen_ns == after.last_seen_ns && info.status == after.status),
           "the new details with what was told before them");
    EXPECT(info.details_version != before.details_version || before.details_version == after.details_version ||
               deeds == 1 || info.changes <= before.changes + 1,
           "the old details with what was told after them");
}

/* -- events ------------------------------------------------------------------------------------------------- */

static void publish(uint32_t unused)
{
    char text[24];
    (void)unused;
    fill(text, (uint32_t)cs_event_newest(&writer) + 1);
    NEED(cs_event_publish(&writer, kind, CS_FORMAT_BYTES, text, sizeof text, 0) == CS_OK);
}

static void read_event(void)
{
    cs_subscription s;
    unsigned char row[sizeof(cs_event) + 64];
    cs_event event;
    uint32_t count;
    uint64_t armed = countdown, newest = cs_event_newest(&reader);
    countdown = 0;
    NEED(cs_subscribe(&reader, &s, newest - 4) == CS_OK);
    uint64_t first = s.next, taken = 0;
    countdown = armed;
    for (;;) {
        NEED(cs_events_drain(&reader, &s, row, sizeof row, 1, &count) == CS_OK);
        if (!count)
            break;
        taken++;
        memcpy(&event, row, sizeof event);
        for (uint32_t i = 0; i < event.length; i++)
            EXPECT(row[sizeof event + i] == 'a' + (int)(event.sequence % 26), "an event with another's bytes");
    }
    countdown = 0;
    EXPECT(s.next - first == taken + s.lost + s.holes && s.next == cs_event_newest(&reader) + 1,
           "%llu taken, %llu lost and %llu holes of %llu", (unsigned long long)taken, (unsigned long long)s.lost,
           (unsigned long long)s.holes, (unsigned long long)(s.next - first));
    EXPECT(taken + s.lost >= 4 && s.holes == 0, "an event is missing");
}

/* -- names --------------------------------------------------------------------------------------------------- */

static char names[3][8];     /* in one bucket, so that a walk for the one meets the slot of the other */
static uint8_t named[65536]; /* by a slot's generation: which name it then had, + 1 */

static void choose_names(const view *v)
{
    const table_view *t = &v->tables[TABLE_COUNTERS];
    for (uint32_t number = 0, chosen = 0; chosen < 3; number++) {
        (void)snprintf(names[chosen], sizeof names[chosen], "n%u", number % 1000);
        uint32_t hash = csi_hash(names[chosen], (uint32_t)strlen(names[chosen]));
        chosen += (uint64_t)hash * t->count >> 32 == 0;
    }
}

/* The slot of one name becomes the next one's. */
static void rename_counter(uint32_t unused)
{
    uint32_t generation = (uint32_t)(counter >> 32), name = named[generation] % 3u;
    (void)unused;
    NEED(cs_counter_remove(&writer, counter) == CS_OK);
    NEED(cs_counter_open(&writer, names[name], CS_NUL, &counter) == CS_OK);
    NEED((uint32_t)(counter >> 32) < sizeof named);
    named[counter >> 32] = (uint8_t)(name + 1);
}

/* A name is found where it is or was: in a slot of the generation in which it was that name's. */
static void read_name(void)
{
    static uint32_t turn;
    cs_handle handle;
    uint32_t name = turn++ % 3;
    int result = cs_counter_find(&reader, names[name], CS_NUL, &handle);
    countdown = 0;
    EXPECT(result == CS_OK || result == CS_E_NOT_FOUND, "finding gives %s", cs_strerror(result));
    if (result == CS_OK)
        EXPECT(named[(handle >> 32) % sizeof named] == name + 1, "%s is found where another name was", names[name]);
}

/* A name that stays is found whatever its neighbours do. */
static void read_neighbour(void)
{
    cs_handle handle;
    int result = cs_counter_find(&reader, "stays", CS_NUL, &handle);
    countdown = 0;
    EXPECT(result == CS_OK, "a name that is there all the time: %s", cs_strerror(result));
}

/* -- values ---------------------------------------------------------------------------------------------------- */

static void publish_value(uint32_t unused)
{
    char text[24];
    (void)unused;
    cs_value_info info = {.version = ++detail_round, .length = sizeof text};
    fill(text, detail_round);
    NEED(cs_value_lock(&writer, value_lock, 0) == CS_OK);
    NEED(cs_value_mark(&writer, "key", 3) == CS_OK);
    NEED(cs_value_publish(&writer, 1, "key", 3, text, &info, 0) == CS_OK);
    NEED(cs_value_unlock(&writer, value_lock) == CS_OK);
}

static void read_value(void)
{
    unsigned char out[64];
    cs_value_info info;
    int result = cs_value_get(&reader, 1, "key", 3, out, sizeof out, &info);
    countdown = 0;
    EXPECT(result == CS_OK || result == CS_E_NOT_FOUND || result == CS_E_BUSY, "a value: %s", cs_strerror(result));
    if (result == CS_OK)
        for (uint32_t i = 0; i < info.length; i++)
            EXPECT(out[i] == 'a' + (int)(info.version % 26), "version %llu of a value with another's bytes",
                   (unsigned long long)info.version);
}

/* -------------------------------------------------------------------------------------------------------------- */

static void between(const char *what, void (*read)(void), void (*write)(uint32_t), uint32_t times)
{
    rig_doing("%s, %u times", what, times);
    deed = write;
    deeds = times;
    for (uint64_t load = 1; load < 20000; load++) {
        done = false;
        loads = 0;
        countdown = load;
        read();
        countdown = 0;
        if (!done)
            return; /* the reader was through before that load */
        moments++;
    }
    EXPECT(false, "the reader does not come to an end");
}

int main(void)
{
    cs_config config = rig_config();
    uint64_t size = cs_region_size(&config);
    unsigned char *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    cs_handle neighbour;
    fuzz_restart();
    fuzz_living = ~0u;
    NEED(memory && cs_region_format(memory, size, &config, 0) == CS_OK);
    NEED(cs_region_attach(&writer, memory, size, 0, -1) == CS_OK);
    NEED(cs_region_attach(&victim, memory, size, 0, -1) == CS_OK);
    NEED(cs_region_attach(&reader, memory, size, CS_READ_ONLY, -1) == CS_OK);
    choose_names(view_of(&writer));
    NEED(cs_counter_open(&writer, names[0], CS_NUL, &counter) == CS_OK);
    named[counter >> 32] = 1;
    NEED(cs_counter_open(&writer, "stays", CS_NUL, &neighbour) == CS_OK);
    NEED(cs_kind_open(&writer, "kind", CS_NUL, &kind) == CS_OK);
    NEED(cs_agent_register(&writer, "agent", CS_NUL, 0, 0, &agent) == CS_OK);
    NEED(cs_value_lock_of(&writer, "key", 3, &value_lock) == CS_OK);
    publish_value(0);
    detail_round = 0;
    for (uint32_t i = 0; i < 32; i++)
        publish(i);
    for (uint32_t times = 1; times <= 40; times = times < 4 ? times + 1 : times * 2) {
        between("details", read_agent, set_details, times);
        between("details with a dead writer at them", read_agent, set_details_and_die, times);
        set_details(0); /* ends what the dead one left */
        fuzz_living = ~0u;
        between("details and heartbeat", read_agent, beat_and_set_details, times);
        between("details and status", read_agent, change_status_and_details, times);
        for (uint32_t i = 0; i < 32; i++) /* the status changes' events are not the reader's business below */
            publish(i);
        between("events", read_event, publish, times);
        for (uint32_t i = 0; i < 3 * 3; i++) /* each name, with each of them there at first */
            between("a name", read_name, rename_counter, times);
        between("a neighbour's name", read_neighbour, rename_counter, times);
    }
    for (uint32_t times = 1; times <= 4; times++)
        between("a value", read_value, publish_value, times);
    (void)printf("%llu moments at which a reader was overtaken; %llu faults\n", (unsigned long long)moments,
                 (unsigned long long)rig_faults);
    free(memory);
    return rig_faults ? 1 : 0;
}
