#include "corestate/base.h"

const char *cs_strerror(int code)
{
    static const char *const names[] = {
        "ok",
        "an argument makes no sense",
        "a name is empty, too long or not UTF-8",
        "a number is outside what the field can hold",
        "not-a-number has no meaning here",
        "the table is full",
        "the name is taken",
        "no such name or index",
        "the handle's slot has been removed",
        "the data does not fit its slot",
        "the region is attached read-only",
        "somebody alive holds it",
        "the time passed first",
        "a signal interrupted the wait",
        "the region was closed",
        "released by who does not hold it",
        "the calling thread holds this lock already",
        "not a region",
        "a region of another layout version",
        "a region of other byte order",
        "the region is smaller or larger than its header says",
        "the bytes contradict themselves",
        "the region is not ready: being made, or its maker died",
        "no free participant slot",
        "the lifecycle has no such transition",
        "reading or writing failed",
        "not supported on this platform",
        "another value was found",
        "this process has no participant slot",
        "a budget's limit would be exceeded",
    };
    if (code == CS_INHERITED)
        return "taken over from a dead holder";
    if (code > 0 || code < -(int)(sizeof names / sizeof *names) + 1)
        return "unknown result";
    return names[-code];
}
