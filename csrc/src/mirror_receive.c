#include "crc32c.h"
#include "mirror_receiver.h"

#define TOO_MANY_FOR_CHANCE 16u /* that many numbers in a row that cannot be: the numbering began anew */
#define FARTHEST 65536          /* numbers ahead; more is no loss, it is another numbering */
#define REFUSED_NS 2000000000u  /* a sender that was refused is judged again after so long */

int cs_mirror_listen(cs_mirror_receiver *handle, void *frame, uint32_t frame_size)
{
    if (!handle || !frame)
        return CS_E_INVALID;
    if (frame_size < CS_MIRROR_FRAME_MIN || frame_size > 2 * CS_MIRROR_FRAME_MAX)
        return CS_E_TOO_BIG;
    memset(handle, 0, sizeof *handle);
    receiver_of(handle)->in = (frame_gather){frame, frame_size, 0};
    return CS_OK;
}

void cs_mirror_told(const cs_mirror_receiver *handle, cs_mirror_status *status)
{
    const receiver *r = (const receiver *)(const void *)handle;
    *status = r->status;
    status->ready = r->shown;
    status->behind = r->incomplete || !r->shown;
}

/* -- numbers -------------------------------------------------------------------------------- */

static bool in_window(const receiver *r, uint32_t number)
{
    return r->window[number % WINDOW / 64] >> (number % 64) & 1u;
}
static void mark(receiver *r, uint32_t number, bool come)
{
    uint64_t bit = 1ull << (number % 64), *word = &r->window[number % WINDOW / 64];
    *word = come ? *word | bit : *word & ~bit;
}

static void missed(receiver *r, uint32_t number)
{
    r->hole = number;
    r->incomplete = true;
}

static void start_numbers(receiver *r, uint32_t number)
{
    memset(r->window, 0xFF, sizeof r->window); /* what was before is nobody's loss */
    r->next = number;
    r->hole = number - 1;
    r->old_in_a_row = 0;
    r->coming.busy = r->headed = r->pictured = false;
    r->incomplete = true;
    r->got_count = 0;
    if (r->provided)
        memset(r->got, 0, (size_t)((r->base[RUNS] + 31) / 32) * 4);
}

/* Whether the source was heard so lately that nobody else is followed. */
static bool is_pinned(const receiver *r)
{
    return r->pinned_ns && !r->down && cs_port_monotonic_ns() - r->last_ns < r->pinned_ns;
}

/* A board that was reset and has no other way to say so: the same stream, and numbers that begin anew. */
static void follow_anew(receiver *r, uint32_t number)
{
    r->status.restarts++;
    r->was_reset = true;
    start_numbers(r, number);
}

/* A number that has been, or that is too far ahead. True when the sender counts anew. */
static bool begins_anew(receiver *r, uint32_t number)
{
    ++*((int32_t)(number - r->next) > 0 ? &r->status.refused : &r->status.repeated);
    r->old_in_a_row = number == r->last_old + 1 ? r->old_in_a_row + 1 : 1;
    r->last_old = number;
    if (r->old_in_a_row < TOO_MANY_FOR_CHANCE || is_pinned(r))
        return false;
    follow_anew(r, number);
    return true;
}

/* Is this the first time a frame of this number comes? Counts what is lost, late and repeated. */
static bool is_new(receiver *r, uint32_t number)
{
    int32_t ahead = (int32_t)(number - r->next);
    bool foreign = ahead > FARTHEST || ahead < -(int32_t)WINDOW || (ahead < 0 && in_window(r, number));
    if (foreign && !begins_anew(r, number))
        return false;
    if (foreign)
        ahead = 0;
    /* Numbers that had been, one after the other up to here, without a new one in between: a sender that counts anew has
     * caught up while the source as it was could still have come back. */
    else if (ahead == 0 && r->old_in_a_row >= TOO_MANY_FOR_CHANCE && r->last_old == number - 1)
        follow_anew(r, number);
    if (ahead < 0) {
        r->status.lost--;
        r->status.reordered++;
        mark(r, number, true);
        return true;
    }
    if (ahead > 0) {
        r->status.lost += (uint32_t)ahead;
        missed(r, number - 1);
    }
    for (uint32_t gap = 0; gap < (uint32_t)ahead && gap < WINDOW; gap++)
        mark(r, number - 1 - gap, false);
    mark(r, number, true);
    r->next = number + 1;
    r->old_in_a_row = 0;
    return true;
}

/* False when a frame belongs to a stream that has ended, or to a sender that is refused. */
static bool in_stream(receiver *r, const frame_head *head)
{
    if (r->heard && head->stream == r->stream)
        return true;
    bool refused =
        r->refused_ns && head->stream == r->refused_stream && cs_port_monotonic_ns() - r->refused_ns < REFUSED_NS;
    if (refused || (r->heard && is_pinned(r))) {
        r->status.refused++;
        return false;
    }
    if (r->heard && head->stream == r->former_stream && !r->pinned_ns)
        return false;
    r->status.restarts += r->heard;
    r->former_stream = r->heard ? r->stream : head->stream;
    r->stream = head->stream;
    r->heard = true;
    r->spoken = false;
    start_numbers(r, head->number);
    return true;
}

void cs_mirror_pin(cs_mirror_receiver *handle, uint64_t silence_ns) { receiver_of(handle)->pinned_ns = silence_ns; }

void cs_mirror_refuse(cs_mirror_receiver *handle)
{
    receiver *r = receiver_of(handle);
    r->refused_stream = r->stream;
    r->refused_ns = cs_port_monotonic_ns();
    r->status.refused++;
    r->heard = r->headed = false;
}

/* -- units ---------------------------------------------------------------------------------- */

static bool unit_shape(const receiver *r, uint32_t unit, run_shape *shape)
{
    uint32_t run = unit >> 24, index = unit & 0xFFFFFFu;
    if (unit == 0) {
        *shape = (run_shape){
            .count = 1, .bytes = sizeof(struct header), .lines = lines_in(sizeof(struct header)), .ways = 1};
        return true;
    }
    if (!r->headed || run >= RUNS || run == RUN_HEADER)
        return false;
    csi_run_shape(staged_of(r), run, shape);
    return index < shape->count;
}

static unsigned char *place_of(receiver *r, uint32_t unit, const run_shape *shape, uint32_t line, uint32_t *length)
{
    uint64_t offset = csi_unit_line(shape, unit & 0xFFFFFFu, line, length);
    return unit == 0 ? (unsigned char *)r->header + offset : view_of(&r->staged)->memory + offset;
}

static void begin_unit(receiver *r, const run_shape *shape, uint32_t unit, uint32_t first)
{
    assembly *a = &r->coming;
    const view *v = staged_of(r);
    uint32_t length;
    *a = (assembly){.unit = unit, .first = first, .busy = true};
    a->lines = unit == 0 ? (unsigned char *)r->header_lines : v->memory + v->size; /* the workspace goes on behind it */
    for (uint32_t line = 0, lines = shape->lines; line < lines; line++) {
        const unsigned char *from = place_of(r, unit, shape, line, &length);
        memcpy(a->lines + (size_t)line * MIRROR_LINE, from, length);
    }
}

static bool patch(assembly *a, const run_shape *shape, const unsigned char *at, uint32_t left)
{
    uint32_t length, lines = shape->lines;
    while (left > 2) {
        uint32_t line = (uint32_t)at[0] | (uint32_t)at[1] << 8;
        if (line >= lines)
            return false;
        (void)csi_unit_line(shape, 0, line, &length);
        if (length > left - 2)
            return false;
        memcpy(a->lines + (size_t)line * MIRROR_LINE, at + 2, length);
        at += 2 + length;
        left -= 2 + length;
    }
    return left == 0;
}

static bool is_whole(const assembly *a, const run_shape *shape)
{
    uint32_t length, crc = 0;
    for (uint32_t line = 0, lines = shape->lines; line < lines; line++) {
        (void)csi_unit_line(shape, 0, line, &length);
        crc = csi_crc32c(crc, a->lines + (size_t)line * MIRROR_LINE, length);
    }
    return crc == a->crc;
}

/*
 * The source is another region than before: whoever still reads the mirror of that one sees that it has ended. It stays
 * what it is until there is memory for the new one, which may be refused.
 */
static int made_anew(receiver *r)
{
    cs_mirror_silent((cs_mirror_receiver *)(void *)r);
    r->headed = false;
    return CS_E_NOT_READY;
}

static int take_header(receiver *r)
{
    struct header *found = (struct header *)(void *)r->header_lines;
    /* A source that is a mirror itself: what it says of its own line is not of ours. */
    memset((unsigned char *)found + offsetof(struct header, applying), 0,
           sizeof *found - offsetof(struct header, applying));
    bool same =
        r->provided && !r->was_reset && memcmp((const void *)r->header, (const void *)found, sizeof r->header) == 0;
    r->was_reset = false;
    memcpy(r->wanted, found, sizeof r->wanted);
    if (same) {
        r->headed = true;
        if (!bit_of(r->got, 0)) {
            set_bit(r->got, 0);
            r->got_count++;
        }
        return CS_OK;
    }
    return made_anew(r);
}

static int take_unit(receiver *r, const run_shape *shape)
{
    assembly *a = &r->coming;
    uint32_t length, run = a->unit >> 24, index = a->unit & 0xFFFFFFu;
    a->busy = false;
    r->status.units++;
    if (a->unit == 0)
        return take_header(r);
    /* A board that was reset may make the same region again, with the same instance: but its version begins anew. */
    if (run == RUN_ENGINE && r->shown && get64(a->lines) < peek64(&staged_of(r)->engine->version)) {
        r->was_reset = true;
        return made_anew(r);
    }
    uint32_t flat = r->base[run] + index;
    for (uint32_t line = 0, lines = shape->lines; line < lines; line++) {
        unsigned char *to = place_of(r, a->unit, shape, line, &length);
        memcpy(to, a->lines + (size_t)line * MIRROR_LINE, length);
    }
    r->newest[flat] = a->first;
    set_bit(r->dirty, flat);
    if (run == RUN_ENGINE)
        r->unsteady = a->unsteady;
    if (!bit_of(r->got, flat)) {
        set_bit(r->got, flat);
        r->got_count++;
    }
    return CS_OK;
}

static int lines_frame(receiver *r, const frame_head *head, const unsigned char *at, uint32_t left)
{
    assembly *a = &r->coming;
    run_shape shape;
    uint32_t first = head->number - head->part;
    if (head->part >= MOST_PARTS || !unit_shape(r, head->unit, &shape))
        return CS_OK;
    if (head->unit) { /* a later state of it is here already */
        uint32_t flat = r->base[head->unit >> 24] + (head->unit & 0xFFFFFFu);
        if (bit_of(r->got, flat) && (int32_t)(first - r->newest[flat]) <= 0)
            return CS_OK;
    }
    if (!a->busy || a->unit != head->unit || a->first != first)
        begin_unit(r, &shape, head->unit, first);
    if (head->flags & FLAG_VOID) {
        a->busy = false;
        return CS_OK;
    }
    if (!patch(a, &shape, at, left)) {
        a->busy = false;
        r->status.corrupt++;
        return CS_OK;
    }
    a->parts |= 1ull << head->part;
    if (head->flags & FLAG_LAST) {
        a->ended = true;
        a->last = head->part;
        a->crc = head->crc;
        a->unsteady = (head->flags & FLAG_UNSTEADY) != 0;
    }
    if (!a->ended || a->parts != ~0ull >> (63 - a->last))
        return CS_OK;
    if (is_whole(a, &shape))
        return take_unit(r, &shape);
    a->busy = false;
    r->status.mismatched++;
    missed(r, head->number);
    return CS_OK;
}

/* A sender that speaks another version, or has a key: named, and refused. One that has spoken ours is only garbled. */
static int other_version(receiver *r, uint32_t version)
{
    if (r->spoken) {
        r->status.refused++;
        return CS_OK;
    }
    r->status.peer_version = version ? version : 1;
    cs_mirror_refuse((cs_mirror_receiver *)(void *)r);
    return CS_E_VERSION;
}

static void beat_frame(receiver *r, const unsigned char *at, uint32_t left)
{
    if (left < 16)
        return;
    r->spoken = true;
    r->status.peer_version = CS_MIRROR_VERSION;
    uint32_t from = get32(at + 8), frames = get32(at + 12);
    r->status.source_ns = get64(at);
    r->ahead_ns = (int64_t)(r->status.heard_ns - r->status.source_ns);
    if (!frames || (r->pictured && from == r->last_picture) || !r->provided || r->got_count < r->base[RUNS])
        return;
    if ((int32_t)(from - r->hole) > 0) { /* nothing was missing since before it began */
        r->last_picture = from;
        r->pictured = true;
        r->status.pictures++;
        r->incomplete = false;
    }
}

static int take_frame(receiver *r, uint32_t length)
{
    frame_head head;
    const unsigned char *bytes = r->in.bytes;
    if (!csi_frame_read(bytes, length, &head)) {
        r->status.corrupt++;
        return CS_OK;
    }
    if (head.type == FRAME_GREETING && !(r->heard && is_pinned(r)))
        return other_version(r, head.unit);
    if (head.type == FRAME_ASK || !in_stream(r, &head) || !is_new(r, head.number))
        return CS_OK;
    if (head.type == FRAME_BEAT && head.unit != CS_MIRROR_VERSION)
        return other_version(r, head.unit);
    r->status.frames++;
    r->status.heard_ns = cs_port_now_ns();
    r->last_ns = cs_port_monotonic_ns();
    r->down = false;
    if (r->silent) {
        r->silent = false;
        for (uint32_t i = r->base[RUN_PARTICIPANTS]; r->provided && i < r->base[RUN_PARTICIPANTS + 1]; i++)
            set_bit(r->dirty, i);
    }
    bytes += FRAME_HEAD;
    length -= FRAME_HEAD + FRAME_CRC;
    if (head.type == FRAME_BEAT)
        beat_frame(r, bytes, length);
    bool unknown = r->shown && !r->spoken; /* it may yet turn out to be of another version */
    return head.type == FRAME_LINES && !unknown ? lines_frame(r, &head, bytes, length) : CS_OK;
}

int cs_mirror_feed(cs_mirror_receiver *handle, const void *bytes, uint32_t length, uint32_t *used)
{
    if (!handle || (!bytes && length) || !used)
        return CS_E_INVALID;
    receiver *r = receiver_of(handle);
    const unsigned char *at = bytes;
    for (*used = 0; *used < length;) {
        uint32_t frame = csi_gather(&r->in, at[(*used)++], &r->status.corrupt);
        r->status.bytes++;
        int result = frame ? take_frame(r, frame) : CS_OK;
        if (result != CS_OK)
            return result;
    }
    return CS_OK;
}

/* -- memory --------------------------------------------------------------------------------- */

static uint64_t to_line(uint64_t n) { return (n + 63u) & ~63ull; }

/*
 * Beside the region as it arrives: the unit on its way in, and for each unit a number and two bits. No unit is
 * smaller than 32 bytes, except where there is one of a kind, and none larger than the sum of what may make one.
 */
struct workspace {
    uint64_t assembly, numbers, bits, seats;
};

static uint64_t plan_workspace(const cs_region_info *info, struct workspace *w)
{
    const cs_config *c = &info->config;
    uint64_t units = info->size / 32 + RUNS;
    w->assembly =
        to_line(sizeof(struct engine) + 2ull * c->agent_details_bytes + c->event_bytes + c->value_bytes + 512);
    w->numbers = to_line(units * 4);
    w->bits = to_line((units + 31) / 32 * 4);
    w->seats = to_line((uint64_t)((c->participants + 31u) / 32) * 4);
    return to_line(info->size) + w->assembly + w->numbers + 2 * w->bits + w->seats;
}

int cs_mirror_wanted(const cs_mirror_receiver *handle, cs_region_info *info, uint64_t *workspace_bytes)
{
    if (!handle || !info || !workspace_bytes)
        return CS_E_INVALID;
    _Alignas(64) unsigned char header[sizeof(struct header)];
    struct workspace w;
    memcpy(header, ((const receiver *)(const void *)handle)->wanted, sizeof header);
    if (!header[0])
        return CS_E_NOT_READY;
    int result = cs_region_probe(header, sizeof header, info);
    if (result != CS_E_TRUNCATED) /* what it is but for all that is missing here */
        return result < 0 ? result : CS_E_CORRUPT;
    *workspace_bytes = plan_workspace(info, &w);
    return CS_OK;
}

static void count_units(receiver *r)
{
    run_shape shape;
    r->base[0] = 0;
    for (uint32_t run = 0; run < RUNS; run++) {
        csi_run_shape(staged_of(r), run, &shape);
        r->base[run + 1] = r->base[run] + shape.count;
    }
}

int cs_mirror_provide(cs_mirror_receiver *handle, void *memory, uint64_t size, void *workspace,
                      uint64_t workspace_bytes, int64_t port_handle, uint32_t flags)
{
    if (!handle || !memory || !workspace || (flags & ~(uint32_t)CS_MIRROR_SHIFT_TIMES) ||
        ((uintptr_t)memory | (uintptr_t)workspace) % LAYOUT_LINE)
        return CS_E_INVALID;
    receiver *r = receiver_of(handle);
    cs_region_info info;
    uint64_t needed;
    struct workspace w;
    int result = cs_mirror_wanted(handle, &info, &needed);
    if (result != CS_OK)
        return result;
    if (size != info.size || workspace_bytes < needed)
        return CS_E_TRUNCATED;
    unsigned char *at = workspace;
    memset(workspace, 0, (size_t)needed);
    memcpy(r->header, r->wanted, sizeof r->header);
    memcpy(at, r->header, sizeof r->header);
    result = cs_region_attach(&r->staged, at, size, CS_READ_ONLY | CS_PRIVATE, -1);
    if (result != CS_OK)
        return result;
    (void)plan_workspace(&info, &w);
    count_units(r);
    r->newest = (uint32_t *)(void *)(at += to_line(size) + w.assembly);
    r->got = (uint32_t *)(void *)(at += w.numbers);
    r->dirty = (uint32_t *)(void *)(at += w.bits);
    r->held = (uint32_t *)(void *)(at + w.bits);
    r->live = memory;
    r->handle = port_handle;
    r->shift_ns = 0;
    r->shifting = flags == CS_MIRROR_SHIFT_TIMES;
    r->status.source_ns = 0;
    r->headed = r->provided = r->incomplete = true;
    r->shown = r->silent = r->coming.busy = r->was_reset = false;
    set_bit(r->got, 0);
    r->got_count = 1;
    memset(r->waiting_since, 0, sizeof r->waiting_since);
    cs_port_identify(&r->self);
    return CS_OK;
}

static int request(cs_mirror_receiver *handle, uint32_t flags, void *out, uint32_t capacity, uint32_t *length)
{
    if (!handle || !out || !length)
        return CS_E_INVALID;
    const receiver *r = receiver_of(handle);
    unsigned char frame[FRAME_HEAD + FRAME_CRC];
    cs_mirror_buffer buffer = {out, capacity, 0};
    csi_frame_head(
        frame,
        &(frame_head){
            .type = FRAME_ASK, .flags = flags, .stream = r->stream, .number = r->next, .unit = CS_MIRROR_VERSION});
    return csi_cobs_write(frame, sizeof frame, cs_mirror_collect, &buffer, length) == CS_OK ? CS_OK : CS_E_TOO_BIG;
}

int cs_mirror_ask(cs_mirror_receiver *handle, void *out, uint32_t capacity, uint32_t *length)
{
    return request(handle, 0, out, capacity, length);
}

int cs_mirror_here(cs_mirror_receiver *handle, void *out, uint32_t capacity, uint32_t *length)
{
    return request(handle, FLAG_HERE, out, capacity, length);
}
