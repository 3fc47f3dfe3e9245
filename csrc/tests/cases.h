/*
 * cases.h: every portable case, once; suite.c makes the list of them from it.
 */
#ifndef CASES_H
#define CASES_H

#include "suite.h"

#define SUITE_CASES(CASE)                                                                                              \
    CASE(strerror)                                                                                                     \
    CASE(names_of_things)                                                                                              \
    CASE(config_bounds)                                                                                                \
    CASE(config_size)                                                                                                  \
    CASE(format_refusals)                                                                                              \
    CASE(format_clears)                                                                                                \
    CASE(probe)                                                                                                        \
    CASE(sections)                                                                                                     \
    CASE(malformed_size)                                                                                               \
    CASE(malformed_identity)                                                                                           \
    CASE(malformed_unfinished)                                                                                         \
    CASE(malformed_sections)                                                                                           \
    CASE(malformed_fields)                                                                                             \
    CASE(malformed_at_random)                                                                                          \
    CASE(good_names)                                                                                                   \
    CASE(bad_names)                                                                                                    \
    CASE(short_keys)                                                                                                   \
    CASE(full)                                                                                                         \
    CASE(none_at_all)                                                                                                  \
    CASE(stale)                                                                                                        \
    CASE(walk)                                                                                                         \
    CASE(no_such_table)                                                                                                \
    CASE(age)                                                                                                          \
    CASE(many_names)                                                                                                   \
    CASE(counter)                                                                                                      \
    CASE(counter_range)                                                                                                \
    CASE(counter_version)                                                                                              \
    CASE(counter_wait)                                                                                                 \
    CASE(gauge)                                                                                                        \
    CASE(column)                                                                                                       \
    CASE(hot_cell)                                                                                                     \
    CASE(engine_states)                                                                                                \
    CASE(engine_unknown_state)                                                                                         \
    CASE(engine_numbers)                                                                                               \
    CASE(engine_cells)                                                                                                 \
    CASE(engine_last_modified)                                                                                         \
    CASE(engine_read)                                                                                                  \
    CASE(area)                                                                                                         \
    CASE(area_event)                                                                                                   \
    CASE(area_version)                                                                                                 \
    CASE(area_locked)                                                                                                  \
    CASE(lock)                                                                                                         \
    CASE(lock_inherit)                                                                                                 \
    CASE(lock_version)                                                                                                 \
    CASE(lock_refusals)                                                                                                \
    CASE(lock_dead_removed)                                                                                            \
    CASE(lock_closed)                                                                                                  \
    CASE(agent)                                                                                                        \
    CASE(agent_refusals)                                                                                               \
    CASE(agent_details)                                                                                                \
    CASE(agent_details_gone)                                                                                           \
    CASE(agent_without_details)                                                                                        \
    CASE(agent_heartbeat)                                                                                              \
    CASE(agent_lifecycle)                                                                                              \
    CASE(agent_reap)                                                                                                   \
    CASE(agent_export)                                                                                                 \
    CASE(kinds)                                                                                                        \
    CASE(publish)                                                                                                      \
    CASE(drain)                                                                                                        \
    CASE(subscribe)                                                                                                    \
    CASE(p4_overrun)                                                                                                   \
    CASE(filter)                                                                                                       \
    CASE(events_wait)                                                                                                  \
    CASE(event_name_cut)                                                                                               \
    CASE(p4_dead_producer)                                                                                             \
    CASE(p4_dead_producer_swept)                                                                                       \
    CASE(p4_stopped_producer)                                                                                          \
    CASE(owed_event)                                                                                                   \
    CASE(event_not_twice)                                                                                              \
    CASE(event_of_nothing)                                                                                             \
    CASE(owed_status_event)                                                                                            \
    CASE(dead_table_writer)                                                                                            \
    CASE(p2_dead_details_writer)                                                                                       \
    CASE(p5_details_lengths)                                                                                           \
    CASE(sweep_frees_slots)                                                                                            \
    CASE(read_only)                                                                                                    \
    CASE(attach_detach)                                                                                                \
    CASE(after_fork)                                                                                                   \
    CASE(detached_view)                                                                                                \
    CASE(private_view)                                                                                                 \
    CASE(health_fresh)                                                                                                 \
    CASE(health_states)                                                                                                \
    CASE(health_full)                                                                                                  \
    CASE(health_dead)                                                                                                  \
    CASE(health_stale)                                                                                                 \
    CASE(health_events)                                                                                                \
    CASE(budget)                                                                                                       \
    CASE(budget_limits)                                                                                                \
    CASE(budget_warning)                                                                                               \
    CASE(p3_dead_spender)                                                                                              \
    CASE(budget_full)                                                                                                  \
    CASE(value)                                                                                                        \
    CASE(value_marks)                                                                                                  \
    CASE(value_room)                                                                                                   \
    CASE(value_pinned)                                                                                                 \
    CASE(p3_dead_value_writer)                                                                                         \
    CASE(snapshot)                                                                                                     \
    CASE(snapshot_crc)                                                                                                 \
    CASE(snapshot_empty)                                                                                               \
    CASE(snapshot_moment)                                                                                              \
    CASE(snapshot_io)                                                                                                  \
    CASE(snapshot_corrupt)                                                                                             \
    CASE(snapshot_too_small)                                                                                           \
    CASE(mirror_at_rest)                                                                                               \
    CASE(mirror_clean)                                                                                                 \
    CASE(mirror_lossy)                                                                                                 \
    CASE(mirror_bounded)                                                                                               \
    CASE(mirror_restarts)                                                                                              \
    CASE(mirror_life)                                                                                                  \
    CASE(mirror_rate)                                                                                                  \
    CASE(mirror_p5_hostile)                                                                                            \
    CASE(mirror_p5_garbage)                                                                                            \
    CASE(mirror_refusals)

#define DECLARE(name) void case_##name(void);
SUITE_CASES(DECLARE)
#undef DECLARE

#endif
