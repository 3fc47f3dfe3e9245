/*
 * mirror.h: one region's bytes, kept the same at another place, over a line that may lose them.
 *
 * The sender looks for 64-byte lines that changed and sends them in frames: numbered, each with a CRC-32C,
 * byte-stuffed (COBS) with a zero at the end, so that who joins in the middle finds the next frame. Lines
 * travel in units: what must be whole together to be true (a slot of a table, an agent with its details, an
 * event, the engine section). A unit is sent as it stood at one instant, with the CRC of all of it, sent or
 * not; the receiver takes it only if it then has exactly that. So a lost frame leaves something old, never
 * something torn. Now and then, and on request, everything is sent (a picture).
 *
 * The receiver keeps what arrived in memory of its own and from there writes the region its readers have
 * mapped, as the writers of the source would have: readers need not know that it is a mirror.
 */
#ifndef CORESTATE_MIRROR_H
#define CORESTATE_MIRROR_H

#include "corestate/base.h"
#include "corestate/region.h"
#include "corestate/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of what is on the line. Beats and requests say it; who hears another one refuses it. Version 1 said none (0). */
#define CS_MIRROR_VERSION 2

/* The smallest frame buffers: of a sender (a larger one means fewer, longer frames), of a receiver. */
#define CS_MIRROR_FRAME_MIN 128
#define CS_MIRROR_FRAME_MAX 65536

/* -- sending -------------------------------------------------------------------------------- */

/* How many 64-byte lines a region's units have: the sender remembers 32 bits of each. As a constant expression for
 * regions without budgets and hot values; cs_mirror_lines says it of any. */
#define CS_LINES_(n) (((uint64_t)(n) + 63u) / 64u)
#define CS_MIRROR_TABLE_(count, payload, key)                                                                          \
    ((count) ? 1u + CS_LINES_(4u * (uint64_t)(count)) + (uint64_t)(count) * CS_LINES_(16u + (payload) + (key)) : 0u)
#define CS_MIRROR_LINES(agents, areas, counters, gauges, locks, events, event_bytes, event_kinds, participants,        \
                        agent_details_bytes, key_bytes, line_bytes)                                                    \
    (13u + CS_MIRROR_TABLE_(counters, 16u, key_bytes) + CS_MIRROR_TABLE_(gauges, 16u, key_bytes) +                     \
     CS_MIRROR_TABLE_(areas, 40u, key_bytes) + CS_MIRROR_TABLE_(agents, 48u, key_bytes) +                              \
     ((agent_details_bytes) ? (uint64_t)(agents) * CS_LINES_(2u * (8u + (agent_details_bytes))) : 0u) +                \
     CS_MIRROR_TABLE_(locks, 16u, key_bytes) + CS_MIRROR_TABLE_(event_kinds, 0u, key_bytes) + 1u +                     \
     (uint64_t)(events) * CS_LINES_(24u + (event_bytes)) + (uint64_t)(participants))

typedef struct cs_mirror_options {
    uint32_t bytes_per_second; /* on average; at once a 64th of it, a frame and a unit. 0: no bound */
    uint32_t picture_ms;       /* a picture this often; 0: only at first and on request */
    uint32_t beat_ms;          /* a sign of life at least this often; 0: 250 */
    uint32_t step_bytes;       /* a step begins no unit after so many, for who collects in a buffer; 0: no bound */
    uint32_t whole;            /* 1: send units whole, for lines that reorder (UDP); 0: only their changed lines */
} cs_mirror_options;

/* A buffer as a place to write to, with cs_mirror_collect as the write function: for who sends what is in it himself
 * (by DMA, from another task, over a socket) and then sets `filled` to 0. */
typedef struct cs_mirror_buffer {
    unsigned char *bytes;
    uint32_t capacity;
    uint32_t filled;
} cs_mirror_buffer;
/* 0, or -1 and nothing taken when there is no room. */
CS_API int cs_mirror_collect(void *buffer, const void *bytes, uint32_t length);

/* Opaque; the caller keeps it where it likes. One task at a time uses it. */
typedef struct cs_mirror_sender {
    uint64_t private_[32];
} cs_mirror_sender;

/*
 * Begin to send an attached region (attached in any way; nothing in it is changed). `lines` has cs_mirror_lines()
 * words; `frame` is the buffer frames are made in. write takes encoded bytes, as for snapshots, and may refuse them
 * (then they are sent again). Everything given must outlive the sender.
 * Errors: INVALID, TOO_BIG (the frame buffer is too small for the region's largest unit, or there are too few lines).
 */
CS_API int cs_mirror_open(cs_mirror_sender *sender, const cs_region *region, const cs_mirror_options *options,
                          uint32_t *lines, uint32_t line_count, void *frame, uint32_t frame_size, cs_write_fn write,
                          void *context);
CS_API uint32_t cs_mirror_lines(const cs_region *region);

/*
 * Send what changed, as far as the bandwidth lets it; looks once at each unit at most. Returns how many frames it
 * sent, or IO (write refused). Call it from a task or the main loop, as often as the mirror is to be fresh; not from
 * interrupts. O(region) in reads when nothing changed; stack under 512 bytes.
 */
CS_API int cs_mirror_step(cs_mirror_sender *sender);

/* Send a picture from the next step on. */
CS_API void cs_mirror_picture(cs_mirror_sender *sender);

/* What came back from the other side, where the line goes both ways: requests are obeyed, garbage is ignored, and what
 * is of another wire version is counted as declined. */
CS_API void cs_mirror_heard(cs_mirror_sender *sender, const void *bytes, uint32_t length);

typedef struct cs_mirror_sent {
    uint64_t frames;
    uint64_t bytes;
    uint64_t pictures;
    uint64_t refused;          /* frames that write did not take */
    uint64_t unsteady;         /* units that changed each time they were looked at; they come with a later step */
    uint32_t declined;         /* good frames from the other side that are no request of this wire version */
    uint32_t declined_version; /* of the last of them; over 65535: it has a key, and there are none here */
} cs_mirror_sent;
CS_API void cs_mirror_sent_so_far(const cs_mirror_sender *sender, cs_mirror_sent *sent);

/* -- receiving ------------------------------------------------------------------------------ */

typedef struct cs_mirror_receiver {
    uint64_t private_[320];
} cs_mirror_receiver;

/* `frame` holds one frame as it comes: the sender's size, one byte more for each 254, and one. Longer ones count as
 * corrupt. Errors: INVALID, TOO_BIG (frame_size is below CS_MIRROR_FRAME_MIN or above twice CS_MIRROR_FRAME_MAX). */
CS_API int cs_mirror_listen(cs_mirror_receiver *receiver, void *frame, uint32_t frame_size);

/*
 * Take bytes as they arrive, in pieces of any size. *used is how many were taken: all of them, unless it returns
 * NOT_READY: the source is a region that needs memory first (cs_mirror_wanted, cs_mirror_provide); then call again
 * with the rest. Garbage is counted and skipped. VERSION: a sender of another wire version has been refused
 * (status.peer_version has it); call again with the rest. Errors: INVALID, NOT_READY, VERSION.
 */
CS_API int cs_mirror_feed(cs_mirror_receiver *receiver, const void *bytes, uint32_t length, uint32_t *used);

/*
 * Stay with one source: frames of another sender, or of the same one begun anew, are refused and counted for as long as
 * the source has been heard within silence_ns. 0, as at first: follow each at once. Not heard is also whose line is
 * down (cs_mirror_silent). Frames carry no proof of who sent them: this keeps out who comes later, not who forges.
 */
CS_API void cs_mirror_pin(cs_mirror_receiver *receiver, uint64_t silence_ns);

/* Refuse the source that feed has just said NOT_READY for: its frames are counted and dropped for two seconds, then
 * judged again. A region that is there already stays. */
CS_API void cs_mirror_refuse(cs_mirror_receiver *receiver);

/* The source: its configuration and size, and how much memory the receiver needs beside the region.
 * Errors: NOT_READY (nothing is known of it yet), and what cs_region_probe says of a header that is no region's here. */
CS_API int cs_mirror_wanted(const cs_mirror_receiver *receiver, cs_region_info *info, uint64_t *workspace_bytes);

#define CS_MIRROR_SHIFT_TIMES 1 /* a source whose clock is over a minute off: its times are shown by this machine's */

/*
 * Give it memory: `memory` (zeroed, 64-byte aligned, as large as the source) becomes the region, `workspace` is the
 * receiver's own (64-byte aligned). handle is the port's, for the liveness of participants: who was alive at the source is
 * shown alive here while this process lives and the line is up. `memory` is no region before cs_mirror_apply says so.
 * Errors: INVALID, TRUNCATED, NOT_READY.
 */
CS_API int cs_mirror_provide(cs_mirror_receiver *receiver, void *memory, uint64_t size, void *workspace,
                             uint64_t workspace_bytes, int64_t handle, uint32_t flags);

/*
 * Write what has arrived into the region. 1 when the region is whole (from then on it may be shown to others), 0 before
 * the first picture is complete. Each unit changes as a whole for readers that use this API. Errors: NOT_READY.
 */
CS_API int cs_mirror_apply(cs_mirror_receiver *receiver);

/* The line is down: participants are shown as dead until frames come again. */
CS_API void cs_mirror_silent(cs_mirror_receiver *receiver);

/* A frame that asks the sender for a picture, to be sent back to it: at most 64 bytes; how many, in *length. */
CS_API int cs_mirror_ask(cs_mirror_receiver *receiver, void *out, uint32_t capacity, uint32_t *length);
/* The same, that asks for nothing: a sign of life. Who serves several receivers can tell by it who is still there. */
CS_API int cs_mirror_here(cs_mirror_receiver *receiver, void *out, uint32_t capacity, uint32_t *length);

typedef struct cs_mirror_status {
    uint64_t frames;       /* taken */
    uint64_t bytes;        /* fed */
    uint64_t lost;         /* by their numbers; one that came late is not lost */
    uint64_t repeated;     /* came again, or too late; ignored */
    uint64_t reordered;    /* came after a later one */
    uint64_t corrupt;      /* not a frame: cut, glued or with a wrong CRC */
    uint64_t mismatched;   /* units of which an earlier part is missing here */
    uint64_t units;        /* taken */
    uint64_t held;         /* times a table waited because what had arrived of it did not fit together */
    uint64_t pictures;     /* complete */
    uint64_t restarts;     /* of the source's sender, or of the source */
    uint64_t refused;      /* frames of senders that are not the source, or were refused */
    uint64_t source_ns;    /* the source's clock at its last sign of life */
    uint64_t heard_ns;     /* this machine's clock at the last good frame; 0 before */
    uint32_t ready;        /* 1: the region is whole */
    uint32_t behind;       /* 1: something is missing that only a picture brings */
    uint32_t peer_version; /* the wire version of the last beat; over 65535: of a sender that has a key; 0 before */
    uint32_t reserved;
} cs_mirror_status;
CS_API void cs_mirror_told(const cs_mirror_receiver *receiver, cs_mirror_status *status);

#ifdef __cplusplus
}
#endif

#endif
