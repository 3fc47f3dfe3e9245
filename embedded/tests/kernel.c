/*
 * The core under a kernel: four tasks and a timer's interrupt on one region. Two workers of one priority, which the kernel
 * also switches between by itself, write, publish, register and contend for a lock, sometimes asleep while they hold it;
 * above them one task sleeps until a counter changes and one until there are events, both woken by the interrupt. The
 * interrupt strikes at random instructions, writes and publishes too, and may not wait.
 *
 * Argument: how many thousand interrupts.
 */
#include "FreeRTOS.h"
#include "task.h"

#include <string.h>

#include "mps2.h"
#include "corestate/corestate.h"
#include "corestate/port.h"
#include "semihost.h"

#define SIZES (8, 4, 8, 4, 4, 32, 32, 4, 2, 64, 32, 8)
#define OF(macro, sizes) macro sizes
#define STACK_WORDS 1024
#define SECOND 1000000000ull
#define LOCK_IN CS_SECTION_LOCKS, door

enum { WORKERS = 2, INTERRUPT = WORKERS, PRODUCERS };
enum { WAITER = WORKERS, LISTENER, TASKS };

static cs_region region;
static _Alignas(64) unsigned char memory[OF(CS_REGION_BYTES, SIZES)];
static cs_handle cell, total, still_one, door, standing;
static uint32_t kind;

static uint32_t interrupts_wanted;
static volatile uint32_t interrupts, in_core; /* interrupts, and those that struck a task inside the core */
static volatile uint32_t inside;              /* a worker is in the core */
static volatile uint32_t behind_the_door;     /* who holds the lock: 1 at most */
static volatile uint32_t ended;               /* workers */
static uint32_t entered[PRODUCERS];           /* through the door; each its own */
static uint64_t published[PRODUCERS], added[PRODUCERS];
static uint64_t heard[PRODUCERS];
static volatile uint32_t slept, lock_waits, timeouts, switches;
static uint32_t seeds[PRODUCERS] = {11, 22, 33};
static uint32_t timer_seed = 44;

/* -- checks --------------------------------------------------------------------------------- */

static volatile uint32_t checks, failures;
#define EXPECT(condition) expect_at((condition) ? 1 : 0, #condition, __LINE__)

static void expect_at(int holds, const char *what, int line)
{
    uint32_t state = cs_port_enter();
    checks++;
    uint32_t failed = holds ? 0 : ++failures;
    cs_port_leave(state);
    if (!failed || failed > 20)
        return;
    semihost_number("FAIL kernel.c:", (uint32_t)line);
    semihost_write(": ");
    semihost_write(what);
    semihost_write("\n");
}

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % n;
}

/* -- what all do ---------------------------------------------------------------------------- */

static uint64_t halves(uint64_t n) { return n << 32 | (uint32_t)n; }
static int whole(uint64_t value) { return (uint32_t)(value >> 32) == (uint32_t)value; }

static void publish(uint32_t who)
{
    uint64_t data[3] = {published[who] + 1, ~(published[who] + 1), who};
    int result = cs_event_publish(&region, kind, CS_FORMAT_BYTES, data, sizeof data, 0);
    EXPECT(result == CS_OK);
    published[who] += result == CS_OK;
}

static void count(uint32_t who)
{
    uint64_t value = 0;
    EXPECT(cs_counter_add(&region, total, 1, 0) == CS_OK);
    added[who]++;
    EXPECT(cs_counter_set(&region, cell, halves(added[who])) == CS_OK);
    EXPECT(cs_counter_get(&region, cell, &value) == CS_OK && whole(value));
}

static void go_in(uint32_t who)
{
    EXPECT(++behind_the_door == 1);
    entered[who]++;
}

static void come_out(void)
{
    behind_the_door--;
    EXPECT(cs_lock_release(&region, LOCK_IN) == CS_OK);
}

/* -- the interrupt -------------------------------------------------------------------------- */

void board_timer_interrupt(void)
{
    uint64_t value = 0;
    cs_subscription subscription;
    in_core += inside;
    count(INTERRUPT);
    if (random_below(&seeds[INTERRUPT], 4) == 0)
        publish(INTERRUPT);
    EXPECT(cs_counter_get(&region, still_one, &value) == CS_OK);
    EXPECT(cs_counter_wait(&region, still_one, value, CS_FOREVER, &value) == CS_E_BUSY);
    EXPECT(cs_subscribe(&region, &subscription, CS_FOREVER) == CS_OK);
    EXPECT(cs_events_wait(&region, &subscription, CS_FOREVER) == CS_E_BUSY);
    int result = cs_lock_try(&region, LOCK_IN);
    EXPECT(result == CS_OK || result == CS_E_BUSY);
    if (result == CS_OK) {
        go_in(INTERRUPT);
        come_out();
    }
    if (++interrupts < interrupts_wanted)
        board_timer_once(500 + random_below(&timer_seed, 6000));
}

/* -- two workers ----------------------------------------------------------------------------- */

static void contend(uint32_t who)
{
    int result = cs_lock_try(&region, LOCK_IN);
    if (result == CS_E_BUSY) {
        lock_waits++;
        result = cs_lock_acquire(&region, LOCK_IN, 10 * SECOND);
    }
    EXPECT(result == CS_OK);
    if (result != CS_OK)
        return;
    go_in(who);
    if (random_below(&seeds[who], 8) == 0)
        vTaskDelay(1); /* the other one sleeps meanwhile, and is woken by the release */
    EXPECT(cs_lock_acquire(&region, LOCK_IN, 0) == CS_E_DEADLOCK);
    come_out();
}

static void write_details(uint32_t who)
{
    unsigned char bytes[32];
    memset(bytes, (int)(published[who] & 0xFFu), sizeof bytes);
    const cs_details details = {.capabilities = bytes, .capabilities_length = 8 + random_below(&seeds[who], 24)};
    EXPECT(cs_agent_set_details(&region, standing, &details) == CS_OK);
}

static void read_details(void)
{
    cs_agent_info info;
    unsigned char bytes[64];
    EXPECT(cs_agent_get(&region, standing, &info, bytes, sizeof bytes) == CS_OK);
    int same = 1;
    for (uint32_t i = 1; i < info.capabilities_length; i++)
        same &= bytes[i] == bytes[0];
    EXPECT(same);
}

static void come_and_go(uint32_t who)
{
    static const char *const names[WORKERS] = {"one", "two"};
    cs_handle agent, found;
    EXPECT(cs_agent_register(&region, names[who], CS_NUL, CS_AGENT_MOTOR, 0, &agent) == CS_OK);
    EXPECT(cs_agent_find(&region, names[who], CS_NUL, &found) == CS_OK && found == agent);
    EXPECT(cs_agent_set_status(&region, agent, CS_AGENT_RUNNING, 0) == CS_OK);
    EXPECT(cs_agent_deregister(&region, agent, CS_REASON_DEREGISTERED) == CS_OK);
    EXPECT(cs_agent_find(&region, names[who], CS_NUL, &found) == CS_E_NOT_FOUND);
}

static void work(void *argument)
{
    static uint32_t last;
    uint32_t who = (uint32_t)(uintptr_t)argument;
    while (interrupts < interrupts_wanted) {
        if (last != who) {
            last = who;
            switches++;
        }
        inside = 1;
        switch (random_below(&seeds[who], 7)) {
        case 0:
        case 1:
            count(who);
            break;
        case 2:
            publish(who);
            break;
        case 3:
            contend(who);
            break;
        case 4:
            write_details(who);
            break;
        case 5:
            read_details();
            break;
        default:
            come_and_go(who);
        }
        inside = 0;
    }
    taskENTER_CRITICAL();
    ended++;
    taskEXIT_CRITICAL();
    vTaskSuspend(0);
}

/* -- who waits ------------------------------------------------------------------------------- */

static void wait_for_the_counter(void *ignored)
{
    (void)ignored;
    for (;;) {
        uint64_t seen = 0, value = 0;
        EXPECT(cs_counter_get(&region, total, &seen) == CS_OK);
        int result = cs_counter_wait(&region, total, seen, SECOND, &value);
        EXPECT(result == CS_OK ? value > seen : result == CS_E_TIMEOUT && ended == WORKERS);
        slept++;
        if (slept % 64)
            continue;
        TickType_t before = xTaskGetTickCount();
        EXPECT(cs_counter_wait(&region, still_one, 0, 5000000, &value) == CS_E_TIMEOUT); /* nobody changes it */
        EXPECT(xTaskGetTickCount() - before >= 5);
        timeouts++;
    }
}

static void hear(const cs_event *event, const uint64_t data[4])
{
    if (event->kind != kind)
        return;
    EXPECT(event->length == 24 && data[0] == ~data[1] && data[2] < PRODUCERS);
    uint64_t *last = &heard[data[2] % PRODUCERS];
    EXPECT(data[0] > *last); /* each once, in order */
    *last = data[0];
}

static void judge(const cs_subscription *subscription, uint64_t received);

static void listen(void *ignored)
{
    struct row {
        cs_event event;
        union {
            uint64_t words[4];
            cs_change change;
        } data;
    } row;
    cs_subscription subscription;
    uint64_t received = 0;
    (void)ignored;
    EXPECT(cs_subscribe(&region, &subscription, CS_FOREVER) == CS_OK);
    subscription.next = 1;
    for (;;) {
        uint32_t found = 0;
        int result = cs_events_wait(&region, &subscription, SECOND);
        if (result == CS_E_TIMEOUT && ended == WORKERS)
            judge(&subscription, received);
        EXPECT(result == CS_OK || result == CS_E_TIMEOUT);
        do {
            EXPECT(cs_events_drain(&region, &subscription, &row, sizeof row, 1, &found) == CS_OK);
            if (found)
                hear(&row.event, row.data.words);
            received += found;
        } while (found);
    }
}

/* -- the books ------------------------------------------------------------------------------- */

static StackType_t stacks[TASKS][STACK_WORDS];
static StaticTask_t tasks[TASKS];
static TaskHandle_t handles[TASKS];

static void judge(const cs_subscription *subscription, uint64_t received)
{
    uint64_t value = 0, sum = 0;
    uint32_t live = 0, least = STACK_WORDS;
    for (uint32_t who = 0; who < PRODUCERS; who++) {
        sum += added[who];
        EXPECT(entered[who] > 0 && published[who] > 0 && heard[who] == published[who]);
    }
    EXPECT(cs_counter_get(&region, total, &value) == CS_OK && value == sum);
    EXPECT(received + subscription->lost + subscription->holes == cs_event_newest(&region)); /* P4 */
    EXPECT(behind_the_door == 0 && cs_lock_acquire(&region, LOCK_IN, 0) == CS_OK);
    EXPECT(cs_names_count(&region, CS_SECTION_AGENTS, &live) == CS_OK && live == 1);
    EXPECT(cs_engine_get(&region, CS_AGENT_COUNT) == 1);
    EXPECT(cs_sweep(&region) == 0);
    EXPECT(in_core > 0 && slept > 0 && timeouts > 0 && lock_waits > 0 && switches > 0);
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t left = (uint32_t)uxTaskGetStackHighWaterMark(handles[i]);
        least = left < least ? left : least;
    }
    semihost_number("stack used, at most: ", (STACK_WORDS - least) * sizeof(StackType_t));
    semihost_number(" bytes\nlock waits: ", lock_waits);
    semihost_number(", sleeps: ", slept);
    semihost_number(", worker switches: ", switches);
    semihost_number("\nkernel: ", interrupts);
    semihost_number(" interrupts, ", in_core);
    semihost_number(" of them in the core, ", checks);
    semihost_number(" checks, ", failures);
    semihost_write(" failed\n");
    semihost_exit(failures ? 1 : 0);
}

static void start(uint32_t which, TaskFunction_t code, const char *name, UBaseType_t priority)
{
    void *argument = (void *)(uintptr_t)which;
    handles[which] = xTaskCreateStatic(code, name, STACK_WORDS, argument, priority, stacks[which], &tasks[which]);
}

int main(void)
{
    static const cs_config config = {.agents = 8,
                                     .areas = 4,
                                     .counters = 8,
                                     .gauges = 4,
                                     .locks = 4,
                                     .events = 32,
                                     .event_bytes = 32,
                                     .event_kinds = 4,
                                     .participants = 2,
                                     .agent_details_bytes = 64,
                                     .key_bytes = 32,
                                     .line_bytes = 8,
                                     .fcl_window = 20};
    for (const char *at = semihost_arguments(); *at >= '0' && *at <= '9'; at++)
        interrupts_wanted = interrupts_wanted * 10 + (uint32_t)(*at - '0');
    interrupts_wanted *= 1000;
    EXPECT(interrupts_wanted > 0);
    EXPECT(cs_region_format(memory, sizeof memory, &config, CS_ZEROED) == CS_OK);
    EXPECT(cs_region_attach(&region, memory, sizeof memory, CS_PRIVATE, -1) == CS_OK);
    EXPECT(cs_counter_open(&region, "cell", CS_NUL, &cell) == CS_OK);
    EXPECT(cs_counter_open(&region, "total", CS_NUL, &total) == CS_OK);
    EXPECT(cs_counter_open(&region, "still", CS_NUL, &still_one) == CS_OK);
    EXPECT(cs_lock_open(&region, "door", CS_NUL, &door) == CS_OK);
    EXPECT(cs_kind_open(&region, "tick", CS_NUL, &kind) == CS_OK);
    EXPECT(cs_agent_register(&region, "standing", CS_NUL, CS_AGENT_BOTH, 0, &standing) == CS_OK);
    EXPECT(cs_port_sleep(1000) == CS_E_BUSY); /* nobody sleeps before there are tasks */
    start(0, work, "one", 2);
    start(1, work, "two", 2);
    start(WAITER, wait_for_the_counter, "waiter", 3);
    start(LISTENER, listen, "listener", 4);
    board_timer_once(5000);
    vTaskStartScheduler();
    return 1;
}
