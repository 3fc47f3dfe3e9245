/*
 * host.h: which of the host's cases this platform can run, and what they share. Threads and processes here are
 * POSIX's; elsewhere the portable cases run alone.
 */
#ifndef HOST_H
#define HOST_H

#include "suite.h"

#if (defined(__unix__) || defined(__APPLE__)) && !defined(SUITE_BARE)
#define SUITE_THREADS 1
#define SUITE_PROCESSES 1
#endif

#define HOST_CASES(CASE)                                                                                               \
    CASE(port_clocks)                                                                                                  \
    CASE(port_threads)                                                                                                 \
    CASE(port_wait)                                                                                                    \
    CASE(port_claim)                                                                                                   \
    CASE(port_alive)                                                                                                   \
    CASE(port_field_x6_readers)                                                                                        \
    CASE(threads_add)                                                                                                  \
    CASE(threads_wait)                                                                                                 \
    CASE(threads_names)                                                                                                \
    CASE(threads_churn)                                                                                                \
    CASE(threads_p2_details)                                                                                           \
    CASE(threads_engine_read)                                                                                          \
    CASE(threads_state_events)                                                                                         \
    CASE(threads_p4_events)                                                                                            \
    CASE(threads_lock)                                                                                                 \
    CASE(threads_p2_mirror)                                                                                            \
    CASE(threads_close)                                                                                                \
    CASE(process_add)                                                                                                  \
    CASE(process_wait)                                                                                                 \
    CASE(process_p4_events)                                                                                            \
    CASE(process_read_only_map)                                                                                        \
    CASE(process_p3_swept)                                                                                             \
    CASE(process_p3_lock)                                                                                              \
    CASE(process_p3_lock_awaited)                                                                                      \
    CASE(process_p3_producer)                                                                                          \
    CASE(process_p3_registrar)                                                                                         \
    CASE(process_field_x6_liveness)                                                                                    \
    CASE(process_p8_fork)                                                                                              \
    CASE(process_field_c1_fork)                                                                                        \
    CASE(process_field_c2_holder)                                                                                      \
    CASE(process_p8_parent_killed)                                                                                     \
    CASE(process_attach_at_once)                                                                                       \
    CASE(process_p3_killed_under_load)

#define DECLARE(name) void case_##name(void);
HOST_CASES(DECLARE)
#undef DECLARE

#endif
