/*
 * corestate: one block of memory, live in every process, on the board and in the browser.
 *
 * Read the headers in this order; together they are the manual of the C API.
 *
 *   base.h      result codes, names, handles, limits
 *   region.h    how a block of memory becomes a region; who is attached
 *   engine.h    the burst engine's states, counters, fatigue, change hashes
 *   counters.h  named counters and gauges, and waiting for them
 *   areas.h     cortical areas
 *   locks.h     locks that survive their holders
 *   agents.h    the agent registry
 *   events.h    the broadcast log
 *   health.h    one call that says how things are
 *   budgets.h   money that many processes spend and none overspends
 *   values.h    current values of hot keys, above a store
 *   snapshot.h  a picture of a region, and back
 *   mirror.h    a region's bytes kept the same elsewhere, over a line that may lose them
 *   port.h      what a platform provides (only for who writes a port)
 *
 * Every function says what it guarantees, which errors it returns, what it costs and whether it
 * may block. Unless it says otherwise a function is safe from any number of threads and processes.
 */
#ifndef CORESTATE_H
#define CORESTATE_H

#include "corestate/base.h"
#include "corestate/region.h"
#include "corestate/engine.h"
#include "corestate/counters.h"
#include "corestate/areas.h"
#include "corestate/locks.h"
#include "corestate/agents.h"
#include "corestate/events.h"
#include "corestate/health.h"
#include "corestate/budgets.h"
#include "corestate/values.h"
#include "corestate/snapshot.h"
#include "corestate/mirror.h"

#endif
