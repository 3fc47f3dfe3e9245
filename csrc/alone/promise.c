/* What is promised here is told at once: nobody dies between the two. */
#include "promise.h"

#include "alone.h"

int csi_promise(view *v, promise *p, a32 *word, uint32_t kind, const cs_change *change, const char *name,
                uint32_t length)
{
    (void)word, (void)name, (void)length;
    p->kind = kind;
    memcpy(p->data, change, sizeof *change);
    return may_write(v);
}

void csi_keep(view *v, const promise *p)
{
    cs_change change;
    memcpy(&change, p->data, sizeof change);
    uint32_t held = hold();
    csi_tell_of(v, csi_table(v, change.table), p->kind, &change);
    let_go_told(v, held);
}
