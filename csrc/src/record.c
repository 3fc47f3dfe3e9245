#include "record.h"

#include "bell.h"
#include "sweep.h"

#define PATIENCE_NS 1000000000ull

static uint64_t version_in(uint64_t word) { return word >> RECORD_VERSION_SHIFT; }
static uint32_t writer_in(uint64_t word) { return (uint32_t)(word & RECORD_OWNER); }

static unsigned char *buffer_at(const record *r, uint64_t version)
{
    return r->buffers + (size_t)(version & 1u) * (sizeof(struct details) + r->bytes);
}

/* The word when its writer is gone without having committed. */
static uint64_t spoiled(uint64_t word) { return version_in(word) << RECORD_VERSION_SHIFT | RECORD_SPOILED; }

/* Claim the word; *word is its value without the claim. */
static int take(const view *v, a64 *at, uint32_t owner, uint64_t *word)
{
    uint64_t found = load64(at);
    deadline until = {0};
    for (uint32_t round = 0;; round++) {
        if (!writer_in(found) || !csi_alive(v, writer_in(found))) {
            *word = writer_in(found) ? spoiled(found) : found;
            if (cas64(at, &found, *word | owner))
                return CS_OK;
            continue;
        }
        if (round < 64) {
            cs_port_pause();
        } else { /* its writer was preempted, or stopped */
            if (round == 64)
                until = deadline_in(PATIENCE_NS);
            if (!deadline_slice(until, 1) || cs_port_sleep(50000) == CS_E_BUSY)
                return CS_E_BUSY;
        }
        found = load64(at);
    }
}

/* Strings one after the other, through whole words. */
struct stream {
    unsigned char *at;
    uint32_t filled;
    unsigned char word[8];
};

static void put(struct stream *s, const void *bytes, uint32_t length)
{
    const unsigned char *from = bytes;
    if (!length)
        return;
    if (s->filled) { /* the string before it ended within a word */
        uint32_t room = (uint32_t)sizeof s->word - s->filled, n = length < room ? length : room;
        memcpy(s->word + s->filled, from, n);
        s->filled += n;
        if (n < room)
            return;
        copy_in(s->at, s->word, sizeof s->word);
        s->at += sizeof s->word;
        from += n;
        length -= n;
    }
    s->filled = length % (uint32_t)sizeof s->word;
    length -= s->filled;
    copy_in(s->at, from, length);
    s->at += length;
    memcpy(s->word, from + length, s->filled);
}

int csi_record_write(view *v, const record *r, const cs_details *details, const struct slot *slot, cs_handle handle)
{
    uint32_t owner;
    uint64_t word;
    int result = writer_of(v, &owner);
    if (result == CS_OK)
        result = take(v, r->word, owner, &word);
    if (result != CS_OK)
        return result;
    uint64_t claimed = word | owner;
    if (handle && !still(slot, handle)) {
        (void)cas64(r->word, &claimed, word);
        return CS_E_STALE;
    }
    fence_release(); /* who sees any of what follows sees the claim too, and copies again */
    uint64_t version = version_in(word) + 1;
    unsigned char *buffer = buffer_at(r, version);
    struct details lengths = {{(uint16_t)details->capabilities_length, (uint16_t)details->transport_length,
                               (uint16_t)details->metadata_length, 0}};
    copy_in(buffer, &lengths, sizeof lengths);
    struct stream s = {.at = buffer + sizeof lengths};
    put(&s, details->capabilities, details->capabilities_length);
    put(&s, details->transport, details->transport_length);
    put(&s, details->metadata, details->metadata_length);
    copy_in(s.at, s.word, s.filled);
    /* Releases the buffer to who acquires the version. */
    return cas64(r->word, &claimed, version << RECORD_VERSION_SHIFT) ? CS_OK : CS_E_BUSY;
}

int csi_record_read(const record *r, uint16_t lengths[4], void *out, uint32_t capacity, uint64_t *version)
{
    for (int round = 0; round < 64; round++) {
        uint64_t before = load64(r->word);
        unsigned char *buffer = buffer_at(r, version_in(before));
        struct details header;
        copy_out(&header, buffer, sizeof header);
        uint32_t total = (uint32_t)header.lengths[0] + header.lengths[1] + header.lengths[2];
        bool sound = total <= r->bytes;
        bool fits = !out || total <= capacity;
        if (out && sound && fits)
            copy_out(out, buffer + sizeof header, total);
        if (!csi_record_stood(r, before))
            continue;
        if (!sound) /* nobody of ours writes that */
            return CS_E_CORRUPT;
        if (!fits)
            return CS_E_TOO_BIG;
        memcpy(lengths, header.lengths, sizeof header.lengths);
        *version = version_in(before);
        return CS_OK;
    }
    return CS_E_BUSY;
}

unsigned char *csi_record_buffer(const record *r, uint64_t word) { return buffer_at(r, version_in(word)); }

bool csi_record_stood(const record *r, uint64_t word)
{
    fence_acquire(); /* the copy came before this look at the version */
    uint64_t after = peek64(r->word);
    uint64_t moved = version_in(after) - version_in(word);
    /* One version on, the buffer is the idle one; nobody has begun to write it, not even one who is dead by now. */
    return moved == 0 || (moved == 1 && !(after & (RECORD_OWNER | RECORD_SPOILED)));
}

void csi_record_sweep(const view *v, const record *r, uint32_t seat)
{
    uint64_t word = load64(r->word);
    if (left_by(v, writer_in(word), seat))
        (void)cas64(r->word, &word, spoiled(word));
}
