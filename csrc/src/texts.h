/* texts.h: texts one behind the other, each ended by a NUL: for names that are seldom asked for, and without a pointer
 * to each. */
#ifndef CORESTATE_TEXTS_H
#define CORESTATE_TEXTS_H

#include "view.h"

/* There must be more than index. O(all texts before it). */
CS_INTERNAL const char *csi_text(const char *texts, uint32_t index);

#endif
