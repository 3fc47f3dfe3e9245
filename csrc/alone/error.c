#include "corestate/base.h"

#include "view.h"

/* Two words each: what they are about is known where they are printed, and base.h says the rest. */
static const char texts[] = "taken from the dead\0"
                            "ok\0"
                            "bad argument\0"
                            "bad name\0"
                            "out of range\0"
                            "not a number\0"
                            "table full\0"
                            "name taken\0"
                            "not found\0"
                            "stale handle\0"
                            "too big\0"
                            "read-only\0"
                            "busy\0"
                            "timed out\0"
                            "interrupted\0"
                            "closed\0"
                            "not its holder\0"
                            "held already\0"
                            "not a region\0"
                            "other version\0"
                            "other byte order\0"
                            "wrong size\0"
                            "corrupt\0"
                            "not ready\0"
                            "no free slot\0"
                            "no such transition\0"
                            "I/O failed\0"
                            "not supported\0"
                            "another value\0"
                            "detached\0"
                            "over the limit\0"
                            "unknown result";

const char *cs_strerror(int code)
{
    uint32_t index = (uint32_t)CS_INHERITED - (uint32_t)code, unknown = CS_INHERITED - CS_E_LIMIT + 1;
    return csi_word(texts, index < unknown ? index : unknown);
}
