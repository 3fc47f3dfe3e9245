#include "crc32c.h"
#include "mirror_wire.h"

#define TRIES 3u
#define BEAT_MS 250u
#define MS 1000000ull
#define NEVER 0u /* as a line's hash: not sent yet */

typedef struct sender {
    bool under_way; /* a round */
    bool picturing;
    bool wanted; /* a picture */
    bool cut;    /* the last frame was not written to its end */
    uint32_t frame_size;
    const view *v;
    uint32_t *seen; /* of each line, in the order of runs and units: its hash when it was sent */
    unsigned char *frame;
    uint32_t filled;           /* of the frame being made */
    uint32_t run, index, line; /* the unit the round is at; `line`, its first, counts those of all runs */
    int32_t allowance;         /* bytes that may be sent now; one unit may overdraw it */
    uint32_t fraction;         /* of a byte more, in 1024ths */
    uint32_t picture_from, last_picture_from, last_picture_frames;
    frame_head head; /* of the frame being made; its type, part, stream, number and unit stay from one to the next */
    cs_write_fn write;
    void *context;
    cs_mirror_options options;
    unsigned char asked[FRAME_HEAD + FRAME_CRC + 4];
    frame_gather heard;
    uint64_t now_ns, refilled_ns, beaten_ns, pictured_ns;
    cs_mirror_sent sent;
} sender;
_Static_assert(sizeof(sender) <= sizeof(cs_mirror_sender), "cs_mirror_sender has room for a sender");

static sender *sender_of(cs_mirror_sender *s) { return (sender *)(void *)s; }

/* How many lines there are in all, and in the largest unit. */
static uint64_t count_lines(const cs_region *region, uint32_t *largest)
{
    uint64_t lines = 0;
    run_shape shape;
    *largest = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        csi_run_shape(const_view_of(region), run, &shape);
        lines += (uint64_t)shape.count * shape.lines;
        if (shape.count && shape.lines > *largest)
            *largest = shape.lines;
    }
    return lines;
}

uint32_t cs_mirror_lines(const cs_region *region)
{
    uint32_t largest;
    uint64_t lines = region ? count_lines(region, &largest) : 0;
    return lines <= 0xFFFFFFFFu ? (uint32_t)lines : 0;
}

int cs_mirror_open(cs_mirror_sender *handle, const cs_region *region, const cs_mirror_options *options, uint32_t *lines,
                   uint32_t line_count, void *frame, uint32_t frame_size, cs_write_fn write, void *context)
{
    uint32_t largest;
    if (!handle || !region || !options || !lines || !frame || !write)
        return CS_E_INVALID;
    if (frame_size < CS_MIRROR_FRAME_MIN || frame_size > CS_MIRROR_FRAME_MAX ||
        count_lines(region, &largest) > line_count ||
        largest > (frame_size - FRAME_HEAD - FRAME_CRC) / FRAME_LINE * MOST_PARTS)
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
    s->heard.bytes = s->asked;
    s->heard.size = sizeof s->asked;
    s->head.stream = (uint32_t)random[0];
    s->options = *options;
    if (!s->options.beat_ms)
        s->options.beat_ms = BEAT_MS;
    s->wanted = s->cut = true; /* a zero first: who listens already may have half of something else */
    s->refilled_ns = s->beaten_ns = s->pictured_ns = cs_port_monotonic_ns();
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
    uint64_t bad = 0;
    while (length--) {
        uint32_t frame = csi_gather(&s->heard, *at++, &bad);
        if (!frame || !csi_frame_good(s->asked, frame))
            continue;
        uint32_t version = get32(s->asked + FRAME_UNIT);
        if (s->asked[0] == FRAME_ASK && version == CS_MIRROR_VERSION) {
            s->wanted |= !(s->asked[1] & FLAG_HERE);
        } else {
            s->sent.declined++;
            s->sent.declined_version = version;
        }
    }
}

/* -- frames --------------------------------------------------------------------------------- */

static void begin_frame(sender *s, uint32_t type, uint32_t unit)
{
    s->head.type = type;
    s->filled = FRAME_HEAD;
    s->head.part = 0;
    s->head.unit = unit;
}

static int put_frame(sender *s, uint32_t flags, uint32_t crc)
{
    static const unsigned char zero = 0;
    uint32_t written;
    int result = CS_E_IO;
    if (!s->cut || s->write(s->context, &zero, 1) == 0) {
        s->head.flags = flags;
        s->head.crc = crc;
        csi_frame_head(s->frame, &s->head);
        result = csi_cobs_write(s->frame, s->filled + FRAME_CRC, s->write, s->context, &written);
        s->cut = result != CS_OK;
        s->head.number++; /* also of one that was refused: the other side may have seen the start of it */
        s->head.part++;
        s->filled = FRAME_HEAD;
        s->sent.bytes += written;
        if (s->options.bytes_per_second)
            s->allowance -= (int32_t)written;
    }
    ++*(result == CS_OK ? &s->sent.frames : &s->sent.refused);
    return result;
}

static int beat(sender *s)
{
    begin_frame(s, FRAME_BEAT, CS_MIRROR_VERSION);
    unsigned char *at = s->frame + FRAME_HEAD;
    put64(at, cs_port_now_ns());
    put32(at + 8, s->last_picture_from);
    put32(at + 12, s->last_picture_frames);
    s->filled += 16;
    s->beaten_ns = s->now_ns;
    return put_frame(s, 0, 0);
}

/* -- units ---------------------------------------------------------------------------------- */

/* Changes tell by it; not a checksum, and a miss is mended by the next picture. Never NEVER. */
static uint32_t mix(uint32_t hash, uint32_t word) { return ((hash ^ word) * 0x9E3779B1u) ^ (hash >> 15); }
/* Of a line where it lies too, read half a word at a time: a half more or less only makes it look changed. */
static uint32_t hash_of(const void *line, uint32_t length)
{
    const a32 *word = line;
    uint32_t hash = length;
    for (const a32 *end = word + length / 4; word < end; word++)
        hash = mix(hash, peek32(word));
    return hash | 1u;
}

/* A participant who is dead and not swept yet is said to be dead, since nobody at the other side can tell. */
static void tell_dead(const sender *s, uint32_t words[MIRROR_LINE / 4])
{
    uint64_t word = (uint64_t)words[1] << 32 | words[0];
    uint32_t owner = (s->index + 1) | ((uint32_t)(word >> 32) & 0x3FFu) << 12;
    uint32_t seat = (uint32_t)(word >> 52) & 3u;
    if ((seat == SEAT_LIVE || seat == SEAT_JOINING) && !csi_alive(s->v, owner))
        words[1] |= (uint32_t)SEAT_DEAD << 20;
}

static unsigned char *line_at(const sender *s, const run_shape *shape, uint32_t line, uint32_t *length)
{
    return s->v->memory + csi_unit_line(shape, s->index, line, length);
}

static uint32_t read_line(const sender *s, const run_shape *shape, uint32_t line, uint32_t words[MIRROR_LINE / 4])
{
    uint32_t length;
    const unsigned char *from = line_at(s, shape, line, &length);
    csi_line_out(words, from, length);
    if (!ALONE && s->run == RUN_PARTICIPANTS)
        tell_dead(s, words);
    return length;
}

static bool changed(const sender *s, const run_shape *shape)
{
    uint32_t words[ALONE ? 1 : MIRROR_LINE / 4], length;
    if (!ALONE && s->run == RUN_PARTICIPANTS) { /* whose death shows in no byte */
        length = read_line(s, shape, 0, words);
        return s->seen[s->line] != hash_of(words, length);
    }
    for (uint32_t line = 0; line < shape->lines; line++) {
        const unsigned char *from = line_at(s, shape, line, &length);
        if (s->seen[s->line + line] != hash_of(from, length))
            return true;
    }
    return false;
}

static void forget(sender *s, const run_shape *shape)
{
    for (uint32_t line = 0; line < shape->lines; line++)
        s->seen[s->line + line] = NEVER;
}

/*
 * The words that say whether a unit was whole while it was read: are they what they were? (Not at the first look.) Its
 * first: a word that says it, or a slot's generation. Then an agent's last sign of life, state and details, or a
 * budget's limit, taken, spent and who changes it.
 */
#define WORD(type, field) ((sizeof(struct slot) + offsetof(struct type, field)) / 8)
_Static_assert(WORD(budget, taken) == WORD(agent, last_seen_ns) && WORD(budget, spent) == WORD(agent, status.state) &&
                   WORD(budget, intent) == WORD(agent, details),
               "agents and budgets are guarded by words at the same places");
static bool guard_stood(const sender *s, const run_shape *shape, uint64_t guard[MOST_GUARDS])
{
    static const unsigned char words[MOST_GUARDS] = {0, WORD(budget, limit), WORD(agent, last_seen_ns),
                                                     WORD(agent, status.state), WORD(agent, details)};
    uint32_t ignored;
    const a64 *unit = (const void *)line_at(s, shape, 0, &ignored);
    bool stood = true;
    for (uint32_t i = 0; i < shape->guards; i++) {
        uint64_t word = load64(&unit[words[i]]);
        if (guard[i] != word)
            stood = false;
        guard[i] = word;
    }
    return stood;
}
#undef WORD

/*
 * Copy the unit's changed lines into frames, and the CRC of all of it. Whole if what guards it stood still; the
 * engine section, which nothing guards, if it reads the same once more. What was sent in vain is called void.
 * BUSY when it did not stand; at the last try the engine section is sent nevertheless.
 */
static int send_once(sender *s, const run_shape *shape, bool last)
{
    uint32_t words[MIRROR_LINE / 4], crc = 0, flags = s->picturing ? FLAG_PICTURE : 0;
    uint64_t guard[MOST_GUARDS] = {0};
    int result = CS_OK;
    (void)guard_stood(s, shape, guard);
    fence_acquire(); /* the guard was read before the lines */
    begin_frame(s, FRAME_LINES, s->run << 24 | s->index);
    for (uint32_t line = 0; line < shape->lines; line++) {
        uint32_t length = read_line(s, shape, line, words), hash = hash_of(words, length);
        uint32_t *seen = &s->seen[s->line + line];
        crc = csi_crc32c(crc, words, length);
        if (*seen == hash)
            continue;
        *seen = hash;
        if (s->filled + 2 + length + FRAME_CRC > s->frame_size)
            result = put_frame(s, flags, 0);
        if (result != CS_OK)
            return result;
        unsigned char *at = s->frame + s->filled;
        at[0] = (unsigned char)line;
        at[1] = (unsigned char)(line >> 8);
        memcpy(at + 2, words, length);
        s->filled += 2 + length;
    }
    fence_acquire(); /* the copy came before this look at what guards it */
    bool engine = s->run == RUN_ENGINE;
    bool stood = guard_stood(s, shape, guard) && !(engine && changed(s, shape));
    if (stood || (last && engine))
        result = put_frame(s, flags | FLAG_LAST | (stood ? 0 : FLAG_UNSTEADY), crc);
    else if (s->head.part)
        result = put_frame(s, FLAG_VOID, 0);
    return result == CS_OK && !stood ? CS_E_BUSY : result;
}

static int send_unit(sender *s, const run_shape *shape)
{
    int result = CS_E_BUSY;
    if (s->options.whole || s->picturing)
        forget(s, shape);
    for (uint32_t try = 1; try <= TRIES && result == CS_E_BUSY; try++) {
        result = send_once(s, shape, try == TRIES);
        if (result != CS_OK)
            forget(s, shape);
    }
    if (result != CS_E_BUSY)
        return result;
    s->sent.unsteady++;
    return CS_OK;
}

/* -- rounds --------------------------------------------------------------------------------- */

static bool due(const sender *s, const uint64_t *since, uint32_t ms) { return s->now_ns - *since >= ms * MS; }

/* In 1024ths of a second, so that no 64-bit division is needed. */
static void refill(sender *s)
{
    uint32_t rate = s->options.bytes_per_second, ticks = 1024;
    if (!rate)
        return;
    uint64_t passed = s->now_ns - s->refilled_ns;
    /* Rounded down: a time refilled to that lies ahead of a coarse clock would pass for an age. */
    if (passed < 1000000000) {
        ticks = ((uint32_t)passed >> 10) * 1099u >> 20;
        s->refilled_ns += (uint64_t)ticks * 976563u;
    } else {
        s->refilled_ns = s->now_ns;
    }
    uint64_t earned = (uint64_t)rate * ticks + s->fraction;
    s->fraction = (uint32_t)earned & 1023u;
    /* At most a 64th of a second's worth at once, and a frame: more would overrun small buffers on the way. */
    uint32_t bytes = (uint32_t)(earned >> 10), room = (rate >> 6) + s->frame_size - (uint32_t)s->allowance;
    s->allowance += (int32_t)(bytes < room ? bytes : room);
}

static void begin_round(sender *s)
{
    uint32_t every = s->options.picture_ms;
    s->under_way = true;
    s->run = s->index = s->line = 0;
    s->picturing = s->wanted || (every && due(s, &s->pictured_ns, every));
    if (!s->picturing)
        return;
    s->wanted = false;
    s->pictured_ns = s->now_ns;
    s->picture_from = s->head.number;
}

static int end_round(sender *s)
{
    s->under_way = false;
    if (!s->picturing)
        return CS_OK;
    s->sent.pictures++;
    s->picturing = false;
    s->last_picture_from = s->picture_from;
    s->last_picture_frames = s->head.number - s->picture_from;
    return beat(s);
}

/* To the next run that has units, if the one that is under way has no more; false where there is none. */
static bool find_unit(sender *s, run_shape *shape)
{
    while (s->index >= shape->count) {
        if (++s->run == RUNS)
            return false;
        s->index = 0;
        csi_run_shape(s->v, s->run, shape);
    }
    return true;
}

int cs_mirror_step(cs_mirror_sender *handle)
{
    sender *s = sender_of(handle);
    uint32_t frames = (uint32_t)s->sent.frames, bytes = (uint32_t)s->sent.bytes, most = s->options.step_bytes;
    int result = CS_OK;
    run_shape shape;
    s->now_ns = cs_port_monotonic_ns();
    refill(s);
    if (!s->under_way)
        begin_round(s);
    /* A beat comes first of all, so that the clock is known. */
    if (s->allowance > 0 && (!s->head.number || due(s, &s->beaten_ns, s->options.beat_ms)))
        result = beat(s);
    csi_run_shape(s->v, s->run, &shape);
    /* From where the last step had to stop, to the end of the round. */
    while (result == CS_OK) {
        if (!find_unit(s, &shape)) {
            result = end_round(s);
            break;
        }
        if (s->picturing || changed(s, &shape)) {
            if (s->allowance <= 0 || (most && (uint32_t)s->sent.bytes - bytes >= most))
                break;
            result = send_unit(s, &shape);
            if (result != CS_OK)
                break;
        }
        s->index++;
        s->line += shape.lines;
    }
    return result == CS_OK ? (int)((uint32_t)s->sent.frames - frames) : result;
}
