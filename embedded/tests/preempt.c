/*
 * An interrupt at every point. SysTick is set anew after each of its interrupts to a random short time, so that over a
 * million of them it strikes between any two instructions of what the main loop does in the core. In turn one side
 * writes, publishes and registers while the other reads and checks, then the other way round, then both write.
 *
 * Argument: how many thousand preemptions for each of the three turns. Only interrupts that strike while the main loop
 * is inside the core count.
 */
#include "corestate/board.h"
#include "preempt.h"
#include "semihost.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RUN 7
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_CURRENT (*(volatile uint32_t *)0xE000E018u)

cs_region region;
static _Alignas(64) unsigned char memory[CS_REGION_BYTES(8, 4, 8, 8, 4, 16, 32, 4, 2, 64, 32, 8)];

static volatile uint32_t inside; /* the main loop is in the core */
static volatile uint32_t preemptions;
static volatile uint32_t checks, failures;
static uint32_t interrupt_does; /* one of enum work */
static uint32_t clock_seed = 1;

/* -- time: one step an interrupt, since SysTick is not regular here -------------------------- */

static volatile uint32_t interrupts;
uint64_t cs_board_clock_ns(void) { return interrupts * 1000ull + 1; }

/* -- checks --------------------------------------------------------------------------------- */

void expect_at(int holds, const char *what, int line)
{
    checks++;
    if (holds)
        return;
    if (failures++ < 20) {
        semihost_number("FAIL preempt.c:", (uint32_t)line);
        semihost_write(": ");
        semihost_write(what);
        semihost_write("\n");
    }
}

uint32_t random_below(uint32_t *seed, uint32_t n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % n;
}

/* -- the interrupt and the main loop --------------------------------------------------------- */

static actor in_interrupt = {.name = "interrupt", .number = 1, .seed = 77};
static actor in_main = {.name = "main", .number = 0, .seed = 99};

static void strike_again(void)
{
    SYSTICK_RELOAD = 2 + random_below(&clock_seed, 120);
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = SYSTICK_RUN;
}

void SysTick_Handler(void);
void SysTick_Handler(void)
{
    SYSTICK_CONTROL = 0; /* else it would be pending again when this ends, and the main loop never go on */
    interrupts++;
    preemptions += inside;
    if (interrupt_does & WORK_WRITE)
        write_something(&in_interrupt);
    if (interrupt_does & WORK_READ)
        read_something(&in_interrupt);
    if (interrupt_does & WORK_WAIT)
        never_wait();
    strike_again();
}

static void turn(const char *name, uint32_t main_does, uint32_t others_do, uint32_t how_many)
{
    uint32_t before = preemptions;
    interrupt_does = others_do;
    while (preemptions - before < how_many) {
        inside = 1;
        if (main_does & WORK_WRITE)
            write_something(&in_main);
        if (main_does & WORK_READ)
            read_something(&in_main);
        if (main_does & WORK_WAIT)
            wait_for_something(&in_main);
        inside = 0;
    }
    interrupt_does = 0;
    semihost_write(name);
    semihost_number(": ", preemptions - before);
    semihost_write(" preemptions\n");
}

int main(void)
{
    static const cs_config config = {.agents = 8,
                                     .areas = 4,
                                     .counters = 8,
                                     .gauges = 8,
                                     .locks = 4,
                                     .events = 16,
                                     .event_bytes = 32,
                                     .event_kinds = 4,
                                     .participants = 2,
                                     .agent_details_bytes = 64,
                                     .key_bytes = 32,
                                     .line_bytes = 8,
                                     .fcl_window = 20};
    uint32_t thousands = 0;
    for (const char *at = semihost_arguments(); *at >= '0' && *at <= '9'; at++)
        thousands = thousands * 10 + (uint32_t)(*at - '0');
    EXPECT(thousands > 0);
    EXPECT(cs_region_size(&config) == sizeof memory);
    EXPECT(cs_region_format(memory, sizeof memory, &config, 0) == CS_OK);
    EXPECT(cs_region_attach(&region, memory, sizeof memory, CS_PRIVATE, -1) == CS_OK);
    begin(&in_main, &in_interrupt);

    strike_again();
    turn("interrupt writes, main reads", WORK_READ, WORK_WRITE, thousands * 1000);
    turn("main writes, interrupt reads", WORK_WRITE, WORK_READ, thousands * 1000);
    turn("both write and read", WORK_WRITE | WORK_READ, WORK_WRITE | WORK_READ, thousands * 1000);
    turn("main waits, interrupt writes and may not wait", WORK_WAIT, WORK_WRITE | WORK_WAIT, thousands * 20);
    SYSTICK_CONTROL = 0;
    balance(&in_main, &in_interrupt);

    semihost_number("preempt: ", preemptions);
    semihost_number(" preemptions, ", checks);
    semihost_number(" checks, ", failures);
    semihost_write(" failed\n");
    return failures ? 1 : 0;
}
