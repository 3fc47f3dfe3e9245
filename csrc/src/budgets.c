#include "corestate/budgets.h"

#include "budget.h"
#include "claim.h"
#include "number.h"
#include "promise.h"
#include "sweep.h"
#include "table.h"

static const table_view *budgets_of(const view *v) { return &v->tables[TABLE_BUDGETS]; }

/* -- reservations --------------------------------------------------------------------------- */

static struct reservation *reservation_at(const view *v, uint32_t index)
{
    return (struct reservation *)(void *)(v->reservations + (size_t)index * v->reservation_stride);
}
static uint64_t word_of(uint32_t generation, uint32_t owner, enum reservation_state state)
{
    return (uint64_t)generation << 32 | owner << 2 | state;
}
static uint32_t generation_in(uint64_t word) { return (uint32_t)(word >> 32); }
static uint32_t owner_in(uint64_t word) { return (uint32_t)word >> 2 & CLAIM_OWNER; }
static enum reservation_state state_in(uint64_t word) { return (enum reservation_state)(word & 3u); }
static bool counts(uint64_t word)
{
    return state_in(word) == RESERVATION_HELD || state_in(word) == RESERVATION_PREPARED;
}

static bool give_back(struct reservation *r, uint64_t word)
{
    return cas64(&r->word, &word, word_of(generation_in(word) + 1, 0, RESERVATION_FREE));
}

/* Take a free reservation; its generation makes its handle. Null when there is none. */
static struct reservation *pick(const view *v, uint32_t owner, cs_handle budget, uint64_t amount, cs_handle *handle)
{
    for (uint32_t index = 0; index < v->reservation_count; index++) {
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        uint32_t generation = generation_in(word) + 1;
        if (state_in(word) == RESERVATION_FREE &&
            cas64(&r->word, &word, word_of(generation, owner, RESERVATION_FILLING))) {
            poke64(&r->amount, amount);
            poke64(&r->budget, budget);
            *handle = (uint64_t)generation << 32 | index;
            return r;
        }
    }
    return 0;
}

/* What holds this view's reservation: CS_OK, STALE or NOT_OWNER. */
static int own(const view *v, cs_handle handle, uint32_t owner, struct reservation **r, uint64_t *word)
{
    if ((uint32_t)handle >= v->reservation_count)
        return CS_E_STALE;
    *r = reservation_at(v, (uint32_t)handle);
    *word = load64(&(*r)->word);
    if (generation_in(*word) != (uint32_t)(handle >> 32) || !counts(*word))
        return CS_E_STALE;
    return owner_in(*word) == owner ? CS_OK : CS_E_NOT_OWNER;
}

/* -- a budget under its claim --------------------------------------------------------------- */

static void count_again(const view *v, struct budget *b, cs_handle handle)
{
    uint64_t taken = load64(&b->spent);
    for (uint32_t index = 0; index < v->reservation_count; index++) {
        struct reservation *r = reservation_at(v, index);
        if (counts(load64(&r->word)) && peek64(&r->budget) == handle)
            taken += peek64(&r->amount);
    }
    store64(&b->taken, taken);
}

static void finish_commit(const view *v, struct budget *b, cs_handle handle)
{
    uint32_t index = peek32(&b->intent) - 1;
    store64(&b->spent, peek64(&b->intent_spent));
    if (index < v->reservation_count) {
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        /* It may have been given back already, and be another budget's by now. */
        if (counts(word) && peek64(&r->budget) == handle)
            (void)give_back(r, word);
    }
}

/*
 * Hundredths of the limit, rounded down, where nine tenths at least are spent. Ten times the rest is within the limit
 * then, and ten times that is taken from a hundred limits step by step; what leaves 64 bits in a step comes back in it.
 */
static uint32_t percent_of(uint64_t limit, uint64_t spent)
{
    uint64_t tenfold = (limit - spent) * 10, part = limit; /* of a hundred limits, what is left of the one at hand */
    uint32_t percent = 100;
    for (uint32_t i = 0; i < 10; i++) {
        bool enough = tenfold < part;
        part -= tenfold;
        if (!enough) {
            part += limit;
            percent--;
        }
    }
    return percent - (part != limit);
}

/* What the event at nine tenths says of a budget; name has 64 bytes. */
static cs_change warning_of(view *v, const struct budget *b, cs_handle handle, char *name, uint32_t *length)
{
    uint64_t limit = peek64(&b->limit), spent = peek64(&b->spent);
    uint32_t percent = percent_of(limit, spent < limit ? spent : limit);
    *length = 0;
    (void)csi_table_key(v, budgets_of(v), handle, name, length);
    return (cs_change){.subject = handle, .new_value = percent, .table = CS_SECTION_BUDGETS};
}

/* A writer died under this claim: what he had begun is finished or undone. */
static void recover(view *v, struct budget *b, cs_handle handle)
{
    if (peek32(&b->intent))
        finish_commit(v, b, handle);
    count_again(v, b, handle);
    store32(&b->intent, 0);
    if (!ALONE &&
        (peek32(&b->warned) & BUDGET_WARNED)) { /* who is alone has no csi_settle, and this function for nothing */
        char name[64];
        uint32_t length;
        cs_change change = warning_of(v, b, handle, name, &length);
        csi_settle(v, &b->promised, CS_KIND_BUDGET_WARNING, &change, name, length);
    }
}

/*
 * Take the claim of the budget that has this slot, whoever that is by now: a removal takes it too, so it stays.
 * Nothing is written to a slot that has none.
 */
static int take_slot(view *v, struct slot *slot, uint32_t index, uint32_t owner)
{
    struct budget *b = payload_of(slot);
    int result = csi_claim_soon(v, &b->claim, owner);
    if (!ALONE && result == CS_INHERITED) {
        uint32_t generation = load32(&slot->generation);
        if (generation & 1u)
            recover(v, b, handle_of(generation, index));
    }
    return result < 0 ? result : CS_OK;
}

static int take(view *v, cs_handle handle, uint32_t *owner, struct budget **b)
{
    struct slot *slot = slot_of(budgets_of(v), handle);
    int result = writer_of(v, owner);
    if (!slot)
        return CS_E_STALE;
    *b = payload_of(slot);
    if (result == CS_OK)
        result = take_slot(v, slot, (uint32_t)handle, *owner);
    if (result == CS_OK && !still(slot, handle)) {
        (void)csi_claim_release(&(*b)->claim, *owner);
        result = CS_E_STALE;
    }
    return result;
}

static void release(struct budget *b, uint32_t owner) { (void)csi_claim_release(&b->claim, owner); }

/* Nine tenths of the limit are spent: say so once. */
static void warn(view *v, struct budget *b, cs_handle handle)
{
    bool due = nearly_spent(peek64(&b->limit), peek64(&b->spent));
    uint32_t flags = peek32(&b->warned);
    if (due == (flags & BUDGET_WARNED))
        return;
    char name[64];
    uint32_t length;
    cs_change change = warning_of(v, b, handle, name, &length);
    promise p;
    if (due && csi_promise(v, &p, &b->promised, CS_KIND_BUDGET_WARNING, &change, name, length) != CS_OK)
        return;
    store32(&b->warned, (flags & BUDGET_KEPT) | due);
    if (due)
        csi_keep(v, &p);
}

/* Give back what the dead hold, of one budget (or of all that are gone); true when anything was. */
static bool reclaim(view *v, cs_handle budget)
{
    bool any = false;
    for (uint32_t index = 0; index < v->reservation_count; index++) {
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        bool held = state_in(word) == RESERVATION_HELD && peek64(&r->budget) == budget;
        if (held && !csi_alive(v, owner_in(word)))
            any |= give_back(r, word);
    }
    return any;
}

static int fill(view *v, uint32_t index, struct slot *slot, cs_handle handle, void *context)
{
    struct budget *b = payload_of(slot);
    (void)v, (void)index, (void)handle, (void)context;
    poke64(&b->limit, 0);
    poke64(&b->taken, 0);
    poke64(&b->spent, 0);
    poke64(&b->detections, 0);
    poke32(&b->intent, 0);
    poke32(&b->warned, 0);
    poke32(&b->promised, 0);
    return CS_OK;
}

int cs_budget_open(cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    static const table_hooks hooks = {.fill = fill};
    return csi_open(region, name, length, handle, TABLE_BUDGETS, &hooks);
}

int cs_budget_find(const cs_region *region, const char *name, uint32_t length, cs_handle *handle)
{
    return csi_find(region, name, length, handle, TABLE_BUDGETS);
}

/* Under the table's claim, until csi_table_let_go: nobody is at work in a budget that goes. */
static int seize(view *v, struct slot *slot)
{
    uint32_t index = (uint32_t)((size_t)((unsigned char *)slot - budgets_of(v)->slots) / budgets_of(v)->stride);
    return take_slot(v, slot, index, peek32(&v->owner));
}

int cs_budget_remove(cs_region *region, cs_handle handle)
{
    view *v = view_of(region);
    int result = csi_table_remove(v, TABLE_BUDGETS, handle, 0, seize);
    if (ALONE && result == CS_OK) { /* where csi_table_remove gives nothing back */
        struct budget *b = payload_of(slot_at(budgets_of(v), (uint32_t)handle));
        (void)csi_claim_release(&b->claim, peek32(&v->owner));
    }
    for (uint32_t index = 0; result == CS_OK && index < v->reservation_count; index++) {
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        if (counts(word) && peek64(&r->budget) == handle)
            (void)give_back(r, word);
    }
    return result;
}

int cs_budget_get(const cs_region *region, cs_handle handle, cs_budget_info *info)
{
    const view *v = const_view_of(region);
    struct slot *slot = slot_of(budgets_of(v), handle);
    if (!info)
        return CS_E_INVALID;
    if (!slot)
        return CS_E_STALE;
    const struct budget *b = payload_of(slot);
    for (int round = 0; round < 64; round++) {
        uint32_t begun = instant_begin(v), flags = load32(&b->warned);
        uint64_t limit = load64(&b->limit), taken = load64(&b->taken), spent = load64(&b->spent);
        *info = (cs_budget_info){.limit = limit,
                                 .spent = spent,
                                 .reserved = taken > spent ? taken - spent : 0,
                                 .detections = load64(&b->detections),
                                 .warned = flags & BUDGET_WARNED,
                                 .kept = flags / BUDGET_KEPT};
        fence_acquire(); /* the first look came before the second */
        if (peek64(&b->limit) == limit && peek64(&b->taken) == taken && peek64(&b->spent) == spent &&
            instant_stood(v, begun))
            return still(slot, handle) ? CS_OK : CS_E_STALE;
    }
    return CS_E_BUSY;
}

int cs_budget_set_limit(cs_region *region, cs_handle handle, uint64_t limit)
{
    view *v = view_of(region);
    uint32_t owner;
    struct budget *b;
    int result = take(v, handle, &owner, &b);
    if (result != CS_OK)
        return result;
    if (limit < peek64(&b->taken))
        result = CS_E_LIMIT;
    else
        store64(&b->limit, limit);
    warn(v, b, handle);
    release(b, owner);
    return result;
}

int cs_budget_load(cs_region *region, cs_handle handle, uint64_t limit, uint64_t spent, uint64_t detections)
{
    view *v = view_of(region);
    uint32_t owner;
    struct budget *b;
    int result = take(v, handle, &owner, &b);
    if (result != CS_OK)
        return result;
    uint64_t reserved = peek64(&b->taken) - peek64(&b->spent);
    if (reserved && (spent > limit || limit - spent < reserved)) {
        result = CS_E_LIMIT; /* there are reservations by now that it has no room for */
    } else {
        store64(&b->limit, limit);
        store64(&b->spent, spent);
        store64(&b->detections, detections);
        store32(&b->warned, peek32(&b->warned) | BUDGET_KEPT);
        count_again(v, b, handle);
        warn(v, b, handle);
    }
    release(b, owner);
    return result;
}

int cs_budget_reserve(cs_region *region, cs_handle handle, uint64_t amount, cs_handle *reservation)
{
    view *v = view_of(region);
    uint32_t owner;
    struct budget *b;
    if (!reservation)
        return CS_E_INVALID;
    int result = take(v, handle, &owner, &b);
    if (result != CS_OK)
        return result;
    struct reservation *r = 0;
    for (int round = 0; round < 2; round++) {
        uint64_t limit = peek64(&b->limit), taken = peek64(&b->taken);
        bool room = !amount || (taken <= limit && amount <= limit - taken);
        r = room ? pick(v, owner, handle, amount, reservation) : 0;
        result = r ? CS_OK : room ? CS_E_FULL : CS_E_LIMIT;
        if (r || !reclaim(v, handle))
            break;
        count_again(v, b, handle);
    }
    if (r) { /* held from here on; a death before the next line is found by who takes the claim over */
        store64(&r->word, word_of((uint32_t)(*reservation >> 32), owner, RESERVATION_HELD));
        store64(&b->taken, peek64(&b->taken) + amount);
    }
    release(b, owner);
    return result;
}

int cs_budget_prepare(cs_region *region, cs_handle reservation)
{
    view *v = view_of(region);
    uint32_t owner;
    struct reservation *r;
    uint64_t word;
    int result = writer_of(v, &owner);
    if (result == CS_OK)
        result = own(v, reservation, owner, &r, &word);
    if (result != CS_OK)
        return result;
    return cas64(&r->word, &word, word_of(generation_in(word), owner, RESERVATION_PREPARED)) ? CS_OK : CS_E_STALE;
}

/* Spend `amount` of a reservation that `holder` (or, for 0, somebody dead) has, and give back the rest. */
static int end_reservation(view *v, cs_handle reservation, uint32_t holder, uint64_t amount)
{
    uint32_t owner;
    struct reservation *r;
    struct budget *b;
    uint64_t word;
    int result = writer_of(v, &owner);
    if (result == CS_OK)
        result = own(v, reservation, holder, &r, &word);
    if (result == CS_E_NOT_OWNER && !holder && !csi_alive(v, owner_in(word)))
        result = CS_OK;
    if (result != CS_OK)
        return result;
    cs_handle budget = peek64(&r->budget);
    if (amount > peek64(&r->amount) && state_in(word) != RESERVATION_PREPARED)
        return CS_E_RANGE;
    result = take(v, budget, &owner, &b);
    if (result != CS_OK) {
        if (result == CS_E_STALE) /* the budget is gone, and the reservation with it */
            (void)give_back(r, word);
        return result;
    }
    if (load64(&r->word) != word) { /* ended by another thread while this one waited */
        release(b, owner);
        return CS_E_STALE;
    }
    poke64(&b->intent_spent, peek64(&b->spent) + amount);
    store32(&b->intent, (uint32_t)reservation + 1); /* from here on it is spent */
    uint64_t rest = peek64(&r->amount) - amount;
    finish_commit(v, b, budget);
    store64(&b->taken, peek64(&b->taken) - rest);
    store32(&b->intent, 0);
    warn(v, b, budget);
    release(b, owner);
    return CS_OK;
}

int cs_budget_commit(cs_region *region, cs_handle reservation, uint64_t amount)
{
    uint32_t owner;
    int result = writer_of(view_of(region), &owner);
    return result == CS_OK ? end_reservation(view_of(region), reservation, owner, amount) : result;
}

int cs_budget_cancel(cs_region *region, cs_handle reservation) { return cs_budget_commit(region, reservation, 0); }

int cs_budget_settle(cs_region *region, cs_handle reservation, uint64_t spent)
{
    return end_reservation(view_of(region), reservation, 0, spent);
}

int cs_budget_next_unsettled(const cs_region *region, uint32_t *cursor, cs_handle *reservation, cs_handle *budget,
                             uint64_t *amount)
{
    const view *v = const_view_of(region);
    if (!cursor || !reservation || !budget || !amount)
        return CS_E_INVALID;
    while (*cursor < v->reservation_count) {
        uint32_t index = (*cursor)++;
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        if (state_in(word) != RESERVATION_PREPARED || csi_alive(v, owner_in(word)))
            continue;
        *reservation = (uint64_t)generation_in(word) << 32 | index;
        *budget = peek64(&r->budget);
        *amount = peek64(&r->amount);
        return CS_OK;
    }
    return CS_E_NOT_FOUND;
}

int cs_budget_detect(cs_region *region, cs_handle handle, uint64_t n, uint64_t *total)
{
    view *v = view_of(region);
    struct slot *slot = slot_of(budgets_of(v), handle);
    int result = slot ? may_write(v) : CS_E_STALE;
    if (result != CS_OK)
        return result;
    struct budget *b = payload_of(slot);
    uint64_t now = load64(&b->detections);
    do
        if (n > UINT64_MAX - now)
            return CS_E_RANGE;
    while (!cas64(&b->detections, &now, now + n));
    now += n;
    if (total)
        *total = now;
    return still(slot, handle) ? CS_OK : CS_E_STALE;
}

/* Of the budgets whose writer died: a budget is never left to who may not come. */
static bool sweep_claims(view *v, uint32_t seat)
{
    const table_view *t = budgets_of(v);
    bool settled = true;
    for (uint32_t index = 0, used = csi_table_used(t); index < used; index++) {
        struct slot *slot = slot_at(t, index);
        struct budget *b = payload_of(slot);
        uint32_t owner, generation = load32(&slot->generation);
        if (!to_be_settled(v, load32(&b->claim), seat, &settled))
            continue;
        int result = take(v, (uint64_t)generation << 32 | index, &owner, &b);
        if (result == CS_E_STALE &&
            writer_of(v, &owner) == CS_OK) { /* removed: nothing is owed, but the claim stands */
            result = csi_claim_try(v, &b->claim, owner, 0) == CS_E_BUSY ? CS_E_BUSY : CS_OK;
        }
        if (result == CS_OK)
            release(b, owner);
        settled &= result == CS_OK;
    }
    return settled;
}

bool csi_budgets_sweep(view *v, uint32_t seat)
{
    bool settled = sweep_claims(v, seat);
    for (uint32_t index = 0; index < v->reservation_count; index++) {
        struct reservation *r = reservation_at(v, index);
        uint64_t word = load64(&r->word);
        uint32_t owner;
        struct budget *b;
        cs_handle budget = peek64(&r->budget);
        if (!left_by(v, owner_in(word), seat) || state_in(word) == RESERVATION_PREPARED)
            continue;
        if (state_in(word) == RESERVATION_FILLING || take(v, budget, &owner, &b) != CS_OK) {
            (void)give_back(r, word); /* nobody has counted it, or nobody does any more */
            continue;
        }
        if (reclaim(v, budget))
            count_again(v, b, budget);
        release(b, owner);
    }
    return settled;
}
