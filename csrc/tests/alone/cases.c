/*
 * The conformance suite on the core for an image that is alone with its regions (csrc/alone): all of it but what is
 * about others.
 */
#include "run.h"

#include "cases.h"

/*
 * A killed participant is taken for alive there, and nothing of his is finished for him. And a mirror is received by the
 * complete library: its readers wait for an event of which only the number has come. A wait that need not sleep does not
 * look there whether its view was closed.
 */
static const char *const left_out[] = {
    "p4_dead_producer",       "p4_dead_producer_swept", "p4_stopped_producer", "owed_event",
    "owed_status_event",      "event_not_twice",        "event_of_nothing",    "dead_table_writer",
    "p2_dead_details_writer", "sweep_frees_slots",      "health_dead",         "p3_dead_spender",
    "p3_dead_value_writer",   "p3_seat_used_again",     "mirror_lossy",        "field_v10_closed",
};

static int is_left_out(const char *name)
{
    for (uint32_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (suite_length(name) == suite_length(left_out[i]) && suite_same(name, left_out[i], suite_length(name)))
            return 1;
    return 0;
}

int suite_run_alone(void)
{
    static const char *const names[] = {
#define NAME(name) #name,
        SUITE_CASES(NAME)
#undef NAME
    };
    int failures = 0;
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!is_left_out(names[i]))
            failures += suite_run(names[i]);
    return failures;
}
