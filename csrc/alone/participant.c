/* Who is attached: views of one program, all of which live. */
#include "alone.h"
#include "sweep.h"

#define GENERATION_MASK 0xFFFFFu

static uint32_t seat_in(uint64_t word) { return (uint32_t)(word >> 52) & 3u; }
static uint32_t id_of(uint32_t slot, uint64_t word)
{
    return (slot + 1) | ((uint32_t)(word >> 32) & GENERATION_MASK) << 12;
}

bool csi_seated(const view *v, uint32_t id)
{
    uint32_t slot = owner_slot(id);
    if (slot >= v->participant_count)
        return false;
    uint64_t word = WIDE(&participant_at(v, slot)->word); /* of which the upper half is read, which is one load */
    return (seat_in(word) == SEAT_LIVE || seat_in(word) == SEAT_JOINING) && id_of(slot, word) == id;
}

bool csi_alive_id(const view *v, uint32_t id) { return csi_seated(v, id); }

int csi_join(view *v)
{
    int result = CS_E_NO_SLOT;
    uint32_t held = hold();
    for (uint32_t slot = 0; slot < v->participant_count && result != CS_OK; slot++) {
        struct participant *p = participant_at(v, slot);
        uint32_t upper = (uint32_t)(WIDE(&p->word) >> 32); /* seat and generation */
        if (upper >> 20 & 3u)
            continue;
        uint32_t generation = (upper + 1) & GENERATION_MASK, id = (slot + 1) | generation << 12;
        WIDE(&p->word) = (uint64_t)(SEAT_LIVE << 20 | generation) << 32 | 1u; /* the only process there is */
        WIDE(&p->attached_ns) = cs_port_now_ns();
        poke32(&v->id, id);
        poke32(&v->owner, id & CLAIM_OWNER);
        result = CS_OK;
    }
    let_go(held);
    return result;
}

void csi_leave(view *v)
{
    uint32_t owner = peek32(&v->owner);
    csi_locks_abandon(v, owner);
    uint32_t held = hold();
    a64 *word = &participant_at(v, owner_slot(owner))->word;
    if (csi_seated(v, peek32(&v->id)))
        WIDE(word) &= ~((uint64_t)SEAT_DEAD << 52);
    poke32(&v->owner, 0);
    poke32(&v->id, 0);
    let_go(held);
}

/* Nobody is dead. */
int cs_sweep(cs_region *region) { return region ? may_write(view_of(region)) : CS_E_INVALID; }

uint32_t cs_participant_self(const cs_region *region) { return region ? peek32(&const_view_of(region)->owner) : 0; }

int cs_participant_get(const cs_region *region, uint32_t slot, cs_participant_info *info)
{
    const view *v = const_view_of(region);
    if (!region || !info)
        return CS_E_INVALID;
    if (slot >= v->participant_count)
        return CS_E_RANGE;
    const struct participant *p = participant_at(v, slot);
    cs_identity self;
    cs_port_identify(&self);
    memset(info, 0, sizeof *info);
    info->slot = slot;
    uint32_t held = hold();
    uint64_t word = WIDE(&p->word);
    if (seat_in(word) != SEAT_FREE) {
        info->id = id_of(slot, word) & CLAIM_OWNER;
        info->pid = self.pid; /* all of them are of this program */
        info->start = self.start;
        info->attached_ns = WIDE(&p->attached_ns);
        info->state = seat_in(word) == SEAT_DEAD ? CS_PARTICIPANT_DEAD : CS_PARTICIPANT_LIVE;
    }
    let_go(held);
    return CS_OK;
}
