#include "corestate/values.h"

#include "claim.h"
#include "sweep.h"
#include "view.h"

#define PINNED 4u
#define STAMP_SHIFT 3u

static enum value_state state_in(uint64_t stamp) { return (enum value_state)(stamp & 3u); }

static struct value_group *group_at(const view *v, uint32_t group)
{
    return (struct value_group *)(void *)(v->values + (size_t)group * (sizeof(struct value_group) +
                                                                       (size_t)VALUE_WAYS * v->value_stride));
}
static struct value *value_at(const view *v, uint32_t group, uint32_t way)
{
    return (struct value *)(void *)((unsigned char *)group_at(v, group) + sizeof(struct value_group) +
                                    (size_t)way * v->value_stride);
}
static unsigned char *data_of(struct value *value) { return (unsigned char *)value + sizeof *value; }
static uint32_t padded(uint32_t length) { return (length + 7u) & ~7u; }

/* FNV-1a in 64 bits, then a step of MurmurHash3's finalizer, because groups are chosen by the upper bits. */
static uint64_t hash_of(const void *key, uint32_t length)
{
    const unsigned char *bytes = key;
    uint64_t hash = 14695981039346656037ull;
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211ull;
    hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDull;
    return hash ^ (hash >> 33);
}
static uint32_t group_of(const view *v, uint64_t hash) { return (uint32_t)((hash >> 32) * v->value_groups >> 32); }

static bool has_key(const view *v, struct value *value, uint64_t hash, const void *key, uint32_t key_length)
{
    if (peek64(&value->hash) != hash || peek32(&value->lengths) >> 16 != key_length ||
        padded(key_length) > v->value_bytes)
        return false;
    const unsigned char *wanted = key;
    for (uint32_t done = 0; done < key_length; done += 64) {
        unsigned char piece[64];
        uint32_t n = key_length - done < 64 ? key_length - done : 64;
        copy_out(piece, data_of(value) + done, n);
        if (memcmp(piece, wanted + done, n) != 0)
            return false;
    }
    return true;
}

/* The newest slot of a key in its group; null when there is none. Two of one key are what a death between writing
 * the new and forgetting the old leaves: the newer one counts. */
static struct value *find(const view *v, uint32_t group, uint64_t hash, const void *key, uint32_t length,
                          uint64_t *stamp)
{
    struct value *newest = 0;
    for (uint32_t way = 0; way < VALUE_WAYS; way++) {
        struct value *value = value_at(v, group, way);
        uint64_t found = load64(&value->stamp);
        if (state_in(found) == VALUE_EMPTY || !has_key(v, value, hash, key, length))
            continue;
        if (!newest || (int32_t)((uint32_t)(found >> STAMP_SHIFT) - (uint32_t)(*stamp >> STAMP_SHIFT)) > 0) {
            newest = value;
            *stamp = found;
        }
    }
    return newest;
}

int cs_value_get(const cs_region *region, uint64_t epoch, const void *key, uint32_t key_length, void *out,
                 uint32_t capacity, cs_value_info *info)
{
    const view *v = const_view_of(region);
    if (!key || !info || (!out && capacity))
        return CS_E_INVALID;
    if (!v->value_groups)
        return CS_E_NOT_FOUND;
    uint64_t hash = hash_of(key, key_length), stamp = 0;
    for (int round = 0; round < 64; round++) {
        struct value *value = find(v, group_of(v, hash), hash, key, key_length, &stamp);
        if (!value)
            return CS_E_NOT_FOUND;
        if (state_in(stamp) != VALUE_VALID)
            return CS_E_BUSY;
        uint32_t length = peek32(&value->lengths) & 0xFFFFu;
        uint64_t made = peek64(&value->epoch);
        bool sound = padded(key_length) + length <= v->value_bytes;
        *info = (cs_value_info){.version = peek64(&value->version),
                                .expires_ns = peek64(&value->expires_ns),
                                .length = length,
                                .tag = peek32(&value->tag)};
        if (sound && length <= capacity)
            copy_out(out, data_of(value) + padded(key_length), length);
        fence_acquire(); /* what was copied is whole if the stamp still is the one from before */
        if (peek64(&value->stamp) != stamp)
            continue;
        if (made != epoch || !sound)
            return CS_E_NOT_FOUND;
        return length <= capacity ? CS_OK : CS_E_TOO_BIG;
    }
    return CS_E_BUSY;
}

/* -- under a lock --------------------------------------------------------------------------- */

int cs_value_lock_of(const cs_region *region, const void *key, uint32_t key_length, uint32_t *lock)
{
    const view *v = const_view_of(region);
    if (!key || !lock)
        return CS_E_INVALID;
    if (!v->value_groups)
        return CS_E_UNSUPPORTED;
    *lock = group_of(v, hash_of(key, key_length));
    return CS_OK;
}

static void set_stamp(struct value_group *group, struct value *value, uint32_t bits)
{
    uint32_t clock = peek32(&group->clock) + 1;
    poke32(&group->clock, clock);
    store64(&value->stamp, (uint64_t)clock << STAMP_SHIFT | bits);
}

/* Marks that nobody will clear, and the older of two slots of one key, are forgotten. */
static void tidy(const view *v, uint32_t group)
{
    for (uint32_t way = 0; way < VALUE_WAYS; way++) {
        struct value *value = value_at(v, group, way);
        uint64_t stamp = load64(&value->stamp);
        bool older = false;
        for (uint32_t other = 0; other < VALUE_WAYS && state_in(stamp) == VALUE_VALID; other++) {
            struct value *peer = value_at(v, group, other);
            uint64_t theirs = load64(&peer->stamp);
            unsigned char a[64], b[64];
            uint32_t length = peek32(&value->lengths) >> 16;
            if (other == way || state_in(theirs) != VALUE_VALID || peek64(&peer->hash) != peek64(&value->hash) ||
                peek32(&peer->lengths) >> 16 != length || theirs >> STAMP_SHIFT <= stamp >> STAMP_SHIFT)
                continue;
            older = padded(length) <= v->value_bytes;
            for (uint32_t done = 0; older && done < length; done += 64) {
                uint32_t n = length - done < 64 ? length - done : 64;
                copy_out(a, data_of(value) + done, n);
                copy_out(b, data_of(peer) + done, n);
                older = memcmp(a, b, n) == 0;
            }
            if (older)
                break;
        }
        if (older || state_in(stamp) == VALUE_MARKED)
            set_stamp(group_at(v, group), value, VALUE_EMPTY);
    }
}

int cs_value_lock(cs_region *region, uint32_t lock, uint64_t timeout_ns)
{
    view *v = view_of(region);
    uint32_t owner;
    int result = writer_of(v, &owner);
    if (result == CS_OK && lock >= v->value_groups)
        result = v->value_groups ? CS_E_INVALID : CS_E_UNSUPPORTED;
    if (result == CS_OK)
        result = csi_claim_wait(v, &group_at(v, lock)->claim, owner, deadline_in(timeout_ns), 0);
    if (result != CS_INHERITED)
        return result;
    tidy(v, lock);
    return CS_OK;
}

static int held(const view *v, uint32_t group)
{
    uint32_t owner;
    int result = writer_of(v, &owner);
    if (result != CS_OK)
        return result;
    return (peek32(&group_at(v, group)->claim) & CLAIM_OWNER) == owner ? CS_OK : CS_E_NOT_OWNER;
}

int cs_value_unlock(cs_region *region, uint32_t lock)
{
    view *v = view_of(region);
    if (lock >= v->value_groups)
        return v->value_groups ? CS_E_INVALID : CS_E_UNSUPPORTED;
    int result = held(v, lock);
    if (result != CS_OK)
        return result;
    for (uint32_t way = 0; way < VALUE_WAYS; way++) {
        struct value *value = value_at(v, lock, way);
        if (state_in(load64(&value->stamp)) == VALUE_MARKED)
            set_stamp(group_at(v, lock), value, VALUE_EMPTY);
    }
    return csi_claim_release(&group_at(v, lock)->claim, peek32(&v->owner)) ? CS_OK : CS_E_NOT_OWNER;
}

/* The group of a key whose lock is held. */
static int locked(const view *v, const void *key, uint32_t key_length, uint64_t *hash, uint32_t *group)
{
    if (!key)
        return CS_E_INVALID;
    if (!v->value_groups)
        return CS_E_UNSUPPORTED;
    *hash = hash_of(key, key_length);
    *group = group_of(v, *hash);
    return held(v, *group);
}

static int restamp(cs_region *region, const void *key, uint32_t key_length, enum value_state state, uint32_t *group)
{
    view *v = view_of(region);
    uint64_t hash, stamp;
    int result = locked(v, key, key_length, &hash, group);
    struct value *value = result == CS_OK ? find(v, *group, hash, key, key_length, &stamp) : 0;
    if (value)
        set_stamp(group_at(v, *group), value, state);
    return result;
}

int cs_value_mark(cs_region *region, const void *key, uint32_t key_length)
{
    uint32_t group;
    int result = restamp(region, key, key_length, VALUE_MARKED, &group);
    atomic_thread_fence(memory_order_seq_cst); /* readers see the mark before the store commits */
    return result;
}

/*
 * Overwrite what is left in a group of values that are not there any more: all of an empty slot, and behind a shorter
 * value the end of a longer one. Nobody reads these bytes: who copies from a slot copies what its lengths say, and
 * looks at its stamp again.
 */
static void wipe(const view *v, uint32_t group)
{
    for (uint32_t way = 0; way < VALUE_WAYS; way++) {
        struct value *value = value_at(v, group, way);
        uint32_t lengths = peek32(&value->lengths);
        uint32_t used = padded(lengths >> 16) + padded(lengths & 0xFFFFu);
        enum value_state state = state_in(load64(&value->stamp));
        if (state == VALUE_MARKED)
            continue;
        for (uint32_t at = state == VALUE_EMPTY ? 0 : used; at < v->value_bytes; at += 8)
            poke64((a64 *)(void *)(data_of(value) + at), 0);
    }
}

int cs_value_drop(cs_region *region, const void *key, uint32_t key_length)
{
    uint32_t group;
    int result = restamp(region, key, key_length, VALUE_EMPTY, &group);
    if (result == CS_OK)
        wipe(view_of(region), group);
    return result;
}

/* Where a new value goes: an empty slot, else the least lately written that is neither pinned nor the key's own. */
static struct value *make_room(const view *v, uint32_t group, const struct value *own)
{
    struct value *oldest = 0;
    uint64_t oldest_stamp = 0;
    for (uint32_t way = 0; way < VALUE_WAYS; way++) {
        struct value *value = value_at(v, group, way);
        uint64_t stamp = load64(&value->stamp);
        if (state_in(stamp) == VALUE_EMPTY)
            return value;
        if (value == own || (stamp & PINNED) || state_in(stamp) == VALUE_MARKED)
            continue;
        if (!oldest || stamp < oldest_stamp) {
            oldest = value;
            oldest_stamp = stamp;
        }
    }
    return oldest;
}

int cs_value_publish(cs_region *region, uint64_t epoch, const void *key, uint32_t key_length, const void *value,
                     const cs_value_info *info, uint32_t pinned)
{
    view *v = view_of(region);
    uint64_t hash, stamp = 0;
    uint32_t group;
    if (!info || (!value && info->length))
        return CS_E_INVALID;
    int result = locked(v, key, key_length, &hash, &group);
    if (result != CS_OK)
        return result;
    struct value *own = find(v, group, hash, key, key_length, &stamp);
    bool fits = (uint64_t)padded(key_length) + info->length <= v->value_bytes && key_length <= 0xFFFFu;
    struct value *room = fits ? make_room(v, group, own) : 0;
    if (fits && !room && own && !(stamp & PINNED))
        room = own;
    if (room) {
        set_stamp(group_at(v, group), room, VALUE_MARKED);
        fence_release(); /* who sees any of what follows sees the mark */
        poke64(&room->hash, hash);
        poke64(&room->epoch, epoch);
        poke64(&room->version, info->version);
        poke64(&room->expires_ns, info->expires_ns);
        poke32(&room->lengths, key_length << 16 | info->length);
        poke32(&room->tag, info->tag);
        copy_in(data_of(room), key, key_length);
        copy_in(data_of(room) + padded(key_length), value, info->length);
        set_stamp(group_at(v, group), room, VALUE_VALID | (pinned ? PINNED : 0));
    }
    if (own && own != room && (room || !pinned)) /* what stands there is old now */
        set_stamp(group_at(v, group), own, VALUE_EMPTY);
    return room ? CS_OK : fits ? CS_E_FULL : CS_E_TOO_BIG;
}

int cs_value_next(const cs_region *region, uint64_t epoch, uint32_t *cursor, void *key, uint32_t key_capacity,
                  uint32_t *key_length)
{
    const view *v = const_view_of(region);
    if (!cursor || !key || !key_length)
        return CS_E_INVALID;
    while (*cursor < v->value_groups * VALUE_WAYS) {
        uint32_t at = (*cursor)++;
        struct value *value = value_at(v, at / VALUE_WAYS, at % VALUE_WAYS);
        uint64_t stamp = load64(&value->stamp);
        uint32_t length = peek32(&value->lengths) >> 16;
        if (state_in(stamp) != VALUE_VALID || !(stamp & PINNED) ||
            (epoch != CS_FOREVER && peek64(&value->epoch) != epoch) || padded(length) > v->value_bytes ||
            length > key_capacity)
            continue;
        copy_out(key, data_of(value), length);
        fence_acquire(); /* the key is whole if the stamp still is the one from before */
        if (peek64(&value->stamp) != stamp)
            continue;
        *key_length = length;
        return CS_OK;
    }
    return CS_E_NOT_FOUND;
}

void csi_values_sweep(view *v, uint32_t seat)
{
    for (uint32_t group = 0; group < v->value_groups; group++) {
        a32 *claim = &group_at(v, group)->claim;
        uint32_t owner;
        if (!left_by(v, load32(claim) & CLAIM_OWNER, seat) || writer_of(v, &owner) != CS_OK ||
            csi_claim_try(v, claim, owner, 0) == CS_E_BUSY)
            continue;
        tidy(v, group);
        (void)csi_claim_release(claim, owner);
    }
}
