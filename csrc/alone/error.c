#include "corestate/base.h"

#include "view.h"

/* A word or two each: what they are about is known where they are printed, and
 * base.h says the rest. */
static const char texts[] = "inherited\0"
                            "ok\0"
                            "invalid\0"
                            "bad name\0"
                            "range\0"
                            "NaN\0"
                            "full\0"
                            "exists\0"
                            "absent\0"
                            "stale\0"
                            "too big\0"
                            "read-only\0"
                            "busy\0"
                            "timeout\0"
                            "signal\0"
                            "closed\0"
                            "not owner\0"
                            "deadlock\0"
                            "no region\0"
                            "version\0"
                            "endian\0"
                            "size\0"
                            "corrupt\0"
                            "unready\0"
                            "no seat\0"
                            "transition\0"
                            "I/O\0"
                            "unsupported\0"
                            "mismatch\0"
                            "detached\0"
                            "limit\0"
                            "unknown";

const char *cs_strerror(int code)
{
    uint32_t index = (uint32_t)CS_INHERITED - (uint32_t)code, unknown = CS_INHERITED - CS_E_LIMIT + 1;
    return csi_word(texts, index < unknown ? index : unknown);
}
