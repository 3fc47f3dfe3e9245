#include "crc32c.h"
#include "mirror_wire.h"

#define TRIES 3u
#define BEAT_MS 250u
#define NEVER 0u /* as a line's hash: not sent yet */

typedef struct sender {
    const view *v;
    uint32_t *seen; /* of each line, in the order of runs and units: its hash when it was sent */
    unsigned char *frame;
    cs_write_fn write;
    void *context;
    frame_gather heard;
    uint64_t refilled_ns, beaten_ns, pictured_ns;
    cs_mirror_sent sent;
    uint32_t frame_size;
    uint32_t stream, number;
    uint32_t rate, picture_ms, beat_ms, step_bytes;
    int32_t allowance;         /* bytes that may be sent now; one unit may overdraw it */
    uint32_t fraction;         /* of a byte more, in 1024ths */
    uint32_t run, index, line; /* where the round is; `line` counts lines of all runs */
    uint32_t filled, part;     /* of the frame being made */
    uint32_t picture_from, last_picture_from, last_picture_frames;
    bool whole;
    bool under_way; /* a round */
    bool picturing;
    bool wanted; /* a picture */
    bool cut;    /* the last frame was not written to its end */
    unsigned char asked[FRAME_HEAD + FRAME_CRC + 4];
} sender;
_Static_assert(sizeof(sender) <= sizeof(cs_mirror_sender), "cs_mirror_sender has room for a sender");

static sender *sender_of(cs_mirror_sender *s) { return (sender *)(void *)s; }

uint32_t cs_mirror_lines(const cs_region *region)
{
    uint64_t lines = 0;
    run_shape shape;
    for (uint32_t run = 0; region && run < RUNS; run++) {
        csi_run_shape(const_view_of(region), run, &shape);
        lines += (uint64_t)shape.count * unit_lines(&shape);
    }
    return lines <= 0xFFFFFFFFu ? (uint32_t)lines : 0;
}

static bool fits(const cs_region *region, uint32_t frame_size)
{
    run_shape shape;
    uint32_t at_once = (frame_size - FRAME_HEAD - FRAME_CRC) / FRAME_LINE;
    for (uint32_t run = 0; run < RUNS; run++) {
        csi_run_shape(const_view_of(region), run, &shape);
        if (shape.count && unit_lines(&shape) > at_once * MOST_PARTS)
            return false;
    }
    return true;
}

int cs_mirror_open(cs_mirror_sender *handle, const cs_region *region, const cs_mirror_options *options, uint32_t *lines,
                   uint32_t line_count, void *frame, uint32_t frame_size, cs_write_fn write, void *context)
{
    if (!handle || !region || !options || !lines || !frame || !write)
        return CS_E_INVALID;
    if (frame_size < CS_MIRROR_FRAME_MIN || frame_size > CS_MIRROR_FRAME_MAX || !fits(region, frame_size) ||
        line_count < cs_mirror_lines(region))
        return CS_E_TOO_BIG;
    sender *s = sender_of(handle);
    uint64_t random[2];
    cs_port_random(random);
    memset(handle, 0, sizeof *handle);
    s->v = const_view_of(region);
    s->seen = lines;
    s->frame = frame;
    s->frame_size = frame_size;
    s->write = write;
    s->context = context;
    s->heard = (frame_gather){s->asked, sizeof s->asked, 0};
    s->stream = (uint32_t)random[0];
    s->rate = options->bytes_per_second;
    s->picture_ms = options->picture_ms;
    s->beat_ms = options->beat_ms ? options->beat_ms : BEAT_MS;
    s->step_bytes = options->step_bytes;
    s->whole = options->whole != 0;
    s->wanted = s->cut = true; /* a zero first: who listens already may have half of something else */
    s->refilled_ns = s->pictured_ns = cs_port_monotonic_ns();
    s->beaten_ns = s->refilled_ns - s->beat_ms * 1000000ull; /* a beat comes first, so that the clock is known */
    s->allowance = (int32_t)frame_size;
    return CS_OK;
}

void cs_mirror_picture(cs_mirror_sender *handle) { sender_of(handle)->wanted = true; }

void cs_mirror_sent_so_far(const cs_mirror_sender *handle, cs_mirror_sent *sent)
{
    *sent = ((const sender *)(const void *)handle)->sent;
}

void cs_mirror_heard(cs_mirror_sender *handle, const void *bytes, uint32_t length)
{
    sender *s = sender_of(handle);
    const unsigned char *at = bytes;
    frame_head head;
    uint64_t bad = 0;
    while (length--) {
        uint32_t frame = csi_gather(&s->heard, *at++, &bad);
        if (frame && csi_frame_read(s->asked, frame, &head) && head.type == FRAME_ASK)
            s->wanted = true;
    }
}

/* -- frames --------------------------------------------------------------------------------- */

static int put_frame(sender *s, uint32_t type, uint32_t flags, uint32_t unit, uint32_t crc)
{
    static const unsigned char zero = 0;
    uint32_t written;
    frame_head head = {.type = type,
                       .flags = flags,
                       .part = s->part,
                       .stream = s->stream,
                       .number = s->number,
                       .unit = unit,
                       .crc = crc};
    if (s->cut && s->write(s->context, &zero, 1) != 0) {
        s->sent.refused++;
        return CS_E_IO;
    }
    csi_frame_head(s->frame, &head);
    int result = csi_cobs_write(s->frame, s->filled + FRAME_CRC, s->write, s->context, &written);
    s->cut = result != CS_OK;
    s->number++; /* also of one that was refused: the other side may have seen the start of it */
    s->part++;
    s->filled = FRAME_HEAD;
    s->sent.bytes += written;
    s->sent.refused += result != CS_OK;
    s->sent.frames += result == CS_OK;
    if (s->rate)
        s->allowance -= (int32_t)written;
    return result;
}

static int beat(sender *s, uint64_t now)
{
    s->part = 0;
    s->filled = FRAME_HEAD;
    put64(s->frame + s->filled, cs_port_now_ns());
    put32(s->frame + s->filled + 8, s->last_picture_from);
    put32(s->frame + s->filled + 12, s->last_picture_frames);
    s->filled += 16;
    s->beaten_ns = now;
    return put_frame(s, FRAME_BEAT, 0, 0, 0);
}

/* -- units ---------------------------------------------------------------------------------- */

/* Changes tell by it; not a checksum, and a miss is mended by the next picture. Never NEVER. */
static uint32_t mix(uint32_t hash, uint32_t word) { return ((hash ^ word) * 0x9E3779B1u) ^ (hash >> 15); }
static uint32_t hash_of(const uint32_t words[MIRROR_LINE / 4], uint32_t length)
{
    uint32_t hash = length;
    for (uint32_t i = 0; i < length / 4; i++)
        hash = mix(hash, words[i]);
    return hash | 1u;
}

typedef struct current_unit {
    run_shape shape;
    uint32_t run, index, line; /* `line`: its first among those of all runs */
} current_unit;

/* A participant who is dead and not swept yet is said to be dead, since nobody at the other side can tell. */
static void tell_dead(const sender *s, const current_unit *u, uint32_t words[MIRROR_LINE / 4])
{
    uint64_t word = (uint64_t)words[1] << 32 | words[0];
    uint32_t owner = (u->index + 1) | ((uint32_t)(word >> 32) & 0x3FFu) << 12;
    uint32_t seat = (uint32_t)(word >> 52) & 3u;
    if ((seat == SEAT_LIVE || seat == SEAT_JOINING) && !csi_alive(s->v, owner))
        words[1] |= (uint32_t)SEAT_DEAD << 20;
}

static uint32_t read_line(const sender *s, const current_unit *u, uint32_t line, uint32_t words[MIRROR_LINE / 4])
{
    uint32_t length;
    uint64_t offset = csi_unit_line(&u->shape, u->index, line, &length);
    csi_line_out(words, s->v->memory + offset, length);
    if (u->run == RUN_PARTICIPANTS)
        tell_dead(s, u, words);
    return length;
}

/* Of a range of the unit, read where it lies, half a word at a time: a half more or less only makes it look changed. */
static bool range_changed(const sender *s, uint64_t offset, uint32_t bytes, const uint32_t *seen)
{
    const a32 *word = (const a32 *)(const void *)(s->v->memory + offset);
    for (; bytes; seen++) {
        uint32_t length = bytes < MIRROR_LINE ? bytes : MIRROR_LINE, hash = length;
        for (uint32_t i = 0; i < length / 4; i++)
            hash = mix(hash, peek32(word++));
        if (*seen != (hash | 1u))
            return true;
        bytes -= length;
    }
    return false;
}

static bool changed(const sender *s, const current_unit *u)
{
    const uint32_t *seen = s->seen + u->line;
    uint32_t words[MIRROR_LINE / 4], length;
    if (u->run == RUN_PARTICIPANTS) { /* whose death shows in no byte */
        length = read_line(s, u, 0, words);
        return *seen != hash_of(words, length);
    }
    if (range_changed(s, csi_unit_line(&u->shape, u->index, 0, &length), u->shape.bytes, seen))
        return true;
    return u->shape.more_bytes && range_changed(s, u->shape.more_offset + (uint64_t)u->index * u->shape.more_stride,
                                                u->shape.more_bytes, seen + lines_in(u->shape.bytes));
}

static uint32_t crc_of(const sender *s, const current_unit *u)
{
    uint32_t words[MIRROR_LINE / 4], crc = 0;
    for (uint32_t line = 0, lines = unit_lines(&u->shape); line < lines; line++) {
        uint32_t length = read_line(s, u, line, words);
        crc = csi_crc32c(crc, words, length);
    }
    return crc;
}

static void forget(sender *s, const current_unit *u)
{
    for (uint32_t line = 0, lines = unit_lines(&u->shape); line < lines; line++)
        s->seen[u->line + line] = NEVER;
}

/*
 * Copy the unit's changed lines into frames, and the CRC of all of it. Whole if what guards it stood still; the
 * engine section, which nothing guards, if it reads the same once more. What was sent in vain is called void.
 */
static int send_once(sender *s, const current_unit *u, bool all, bool accept, bool *stood)
{
    uint32_t words[MIRROR_LINE / 4], crc = 0, unit = u->run << 24 | u->index;
    uint32_t picture = s->picturing ? FLAG_PICTURE : 0;
    unit_guard before, after;
    csi_unit_guard(s->v, u->run, u->index, &before);
    fence_acquire(); /* the guard was read before the lines */
    s->part = 0;
    s->filled = FRAME_HEAD;
    for (uint32_t line = 0, lines = unit_lines(&u->shape); line < lines; line++) {
        uint32_t length = read_line(s, u, line, words), hash = hash_of(words, length);
        crc = csi_crc32c(crc, words, length);
        if (!all && s->seen[u->line + line] == hash)
            continue;
        s->seen[u->line + line] = hash;
        if (s->filled + 2 + length + FRAME_CRC > s->frame_size) {
            int result = put_frame(s, FRAME_LINES, picture, unit, 0);
            if (result != CS_OK)
                return result;
        }
        s->frame[s->filled] = (unsigned char)line;
        s->frame[s->filled + 1] = (unsigned char)(line >> 8);
        memcpy(s->frame + s->filled + 2, words, length);
        s->filled += 2 + length;
    }
    fence_acquire(); /* the copy came before this look at what guards it */
    csi_unit_guard(s->v, u->run, u->index, &after);
    *stood = memcmp(&before, &after, sizeof after) == 0 && (u->run != RUN_ENGINE || crc_of(s, u) == crc);
    if (*stood || (accept && u->run == RUN_ENGINE))
        return put_frame(s, FRAME_LINES, FLAG_LAST | picture | (*stood ? 0 : FLAG_UNSTEADY), unit, crc);
    if (s->part)
        return put_frame(s, FRAME_LINES, FLAG_VOID, unit, 0);
    return CS_OK;
}

static int send_unit(sender *s, const current_unit *u)
{
    bool stood = false;
    int result = CS_OK;
    for (uint32_t try = 1; try <= TRIES && result == CS_OK && !stood; try++) {
        result = send_once(s, u, s->whole || s->picturing || try > 1, try == TRIES, &stood);
        if (result != CS_OK || !stood)
            forget(s, u);
    }
    s->sent.unsteady += !stood;
    return result;
}

/* -- rounds --------------------------------------------------------------------------------- */

/* In 1024ths of a second, so that no 64-bit division is needed. */
static void refill(sender *s, uint64_t now)
{
    uint64_t passed = now - s->refilled_ns;
    if (!s->rate)
        return;
    /* Rounded down: a time refilled to that lies ahead of a coarse clock would pass for an age. */
    uint32_t ticks = passed < 1000000000 ? (uint32_t)((passed >> 10) * 1099 >> 20) : 1024;
    s->refilled_ns = passed < 1000000000 ? s->refilled_ns + ticks * 976563ull : now;
    uint64_t earned = (uint64_t)s->rate * ticks + s->fraction;
    s->fraction = (uint32_t)earned & 1023u;
    /* At most a 64th of a second's worth at once, and a frame: more would overrun small buffers on the way. */
    int64_t most = (int64_t)(s->rate >> 6) + s->frame_size;
    int64_t have = s->allowance + (int64_t)(earned >> 10);
    s->allowance = (int32_t)(have < most ? have : most);
}

static void begin_round(sender *s, uint64_t now)
{
    s->under_way = true;
    s->run = s->index = s->line = 0;
    s->picturing = s->wanted || (s->picture_ms && now - s->pictured_ns >= s->picture_ms * 1000000ull);
    if (!s->picturing)
        return;
    s->wanted = false;
    s->pictured_ns = now;
    s->picture_from = s->number;
}

static int end_round(sender *s, uint64_t now)
{
    s->under_way = false;
    if (!s->picturing)
        return CS_OK;
    s->sent.pictures++;
    s->picturing = false;
    s->last_picture_from = s->picture_from;
    s->last_picture_frames = s->number - s->picture_from;
    return beat(s, now);
}

/* The next unit of the round, in *u; false at its end. */
static bool next_unit(sender *s, current_unit *u)
{
    for (; s->run < RUNS; s->run++, s->index = 0) {
        if (u->run != s->run)
            csi_run_shape(s->v, s->run, &u->shape);
        u->run = s->run;
        if (s->index >= u->shape.count)
            continue;
        u->index = s->index++;
        u->line = s->line;
        s->line += unit_lines(&u->shape);
        return true;
    }
    return false;
}

static void step_back(sender *s, const current_unit *u)
{
    s->index = u->index;
    s->line = u->line;
}

int cs_mirror_step(cs_mirror_sender *handle)
{
    sender *s = sender_of(handle);
    uint64_t now = cs_port_monotonic_ns(), before = s->sent.frames, began = s->sent.bytes;
    int result = CS_OK;
    current_unit unit = {.run = RUNS};
    refill(s, now);
    if (!s->under_way)
        begin_round(s, now);
    if (now - s->beaten_ns >= s->beat_ms * 1000000ull && s->allowance > 0)
        result = beat(s, now);
    /* From where the last step had to stop, to the end of the round. */
    while (result == CS_OK) {
        if (!next_unit(s, &unit)) {
            result = end_round(s, now);
            break;
        }
        if (!s->picturing && !changed(s, &unit))
            continue;
        if (s->allowance <= 0 || (s->step_bytes && s->sent.bytes - began >= s->step_bytes)) {
            step_back(s, &unit);
            break;
        }
        result = send_unit(s, &unit);
        if (result != CS_OK)
            step_back(s, &unit);
    }
    return result == CS_OK ? (int)(s->sent.frames - before) : result;
}
