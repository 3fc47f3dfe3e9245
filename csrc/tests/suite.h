/*
 * suite.h: the conformance suite's own few tools. Plain C without stdio, threads or a heap, so that the same
 * sources run on a host, on a board and in wasm. What a platform provides is suite_write, and a call of suite_run.
 *
 *   -DSUITE_BLOCK_BYTES=N   memory of each of the three blocks (at least 64 KiB)
 *   -DSUITE_DIVIDE=N        long loops do an Nth of their rounds
 */
#ifndef SUITE_H
#define SUITE_H

#include "corestate/corestate.h"
#include "corestate/port.h"

#ifndef SUITE_BLOCK_BYTES
#define SUITE_BLOCK_BYTES (256u << 10)
#endif
#ifndef SUITE_DIVIDE
#define SUITE_DIVIDE 1
#endif
#define ROUNDS(n) ((n) / SUITE_DIVIDE > 0 ? (n) / SUITE_DIVIDE : 1)

/* Provided by the platform: show a text; it brings its own line ends. */
void suite_write(const char *text);

/* Runs every case, or those whose name starts with `only` where it is not null. The number of failed checks. */
int suite_run(const char *only);

typedef struct suite_case {
    const char *name;
    void (*run)(void);
} suite_case;
/* Cases a platform adds to the portable ones (threads, processes); ends with a null name. Null: none. */
extern const suite_case *suite_extra;

/* -- checks: each is counted, a failed one is reported and the case goes on -------------------------------- */

#define CHECK(condition) suite_check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(found, expected) suite_equal((uint64_t)(found), (uint64_t)(expected), #found, __FILE__, __LINE__)
#define CHECK_RESULT(call, expected) suite_result((call), (expected), #call, __FILE__, __LINE__)
#define CHECK_TEXT(found, expected) suite_text((found), (expected), #found, __FILE__, __LINE__)
/* For what a case cannot go on without. */
#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        if (!suite_check((condition) ? 1 : 0, #condition, __FILE__, __LINE__))                                         \
            return;                                                                                                    \
    } while (0)

int suite_check(int holds, const char *what, const char *file, int line);
int suite_equal(uint64_t found, uint64_t expected, const char *what, const char *file, int line);
int suite_result(int found, int expected, const char *what, const char *file, int line);
int suite_text(const char *found, const char *expected, const char *what, const char *file, int line);

/* Names what the following failed checks are about (a table, a byte), because a line alone does not say in a loop. */
void suite_about(const char *text, uint64_t number);

/* -- regions ----------------------------------------------------------------------------------------------- */

extern unsigned char suite_block[3][SUITE_BLOCK_BYTES];

/* A small configuration that fits a block: what a case does not care about. */
cs_config suite_config(void);
/* Formats block `block` (null config: the small one) and attaches to it; null, with a failed check, when it cannot.
 * There is one such view for each block; closing it is suite_close. */
cs_region *suite_open(uint32_t block, const cs_config *config);
/* One more participant of the region in that block, in a view the caller keeps. */
int suite_join(cs_region *view, uint32_t block, uint32_t flags);
void suite_close(uint32_t block);
/* What a kill leaves: the participant is marked dead in the region and knows nothing of it. The view must not be used
 * again, not even detached. */
void suite_kill(cs_region *view, uint32_t block);
/* The owner tag of a participant (see layout.h), as it stands in claims. */
uint32_t suite_owner(const cs_region *view);

/* -- small things a freestanding program lacks ------------------------------------------------------------- */

uint32_t suite_length(const char *text);
/* "prefix" and a decimal number in a buffer of 64 bytes; returns the buffer. */
char *suite_name(char buffer[64], const char *prefix, uint64_t number);
int suite_same(const void *a, const void *b, uint64_t length);
void suite_fill(void *to, unsigned char byte, uint64_t length);
/* Of a block of bytes, to see that nothing was written. */
uint64_t suite_sum(const void *bytes, uint64_t length);
/* The next number of a fixed sequence that looks random. */
uint64_t suite_random(uint64_t *state);

/* One event, taken: its head and the first bytes of its data. */
typedef struct suite_event {
    cs_event event;
    union {
        cs_change change;
        unsigned char bytes[128];
    } data;
} suite_event;
/* Takes one event; 0 when there is none. The region's event_bytes may be at most 128. */
int suite_take(cs_region *region, cs_subscription *subscription, suite_event *out);

#endif
