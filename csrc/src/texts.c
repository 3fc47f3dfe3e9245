#include "texts.h"

const char *csi_text(const char *texts, uint32_t index)
{
    while (index)
        index -= *texts++ == 0;
    return texts;
}
