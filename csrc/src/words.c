#include "view.h"

const char *csi_word(const char *words, uint32_t n)
{
    for (; n; n--)
        while (*words++) {}
    return words;
}
