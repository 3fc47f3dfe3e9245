/* The script of embedded/tests/same.c, which makes the same bytes on every machine, for wasm. */
#include "same.h"

#include "wasm.h"

WASM_IMPORT(write) void host_write(const char *text, uint32_t length);

CS_API uint32_t script_make(void);
CS_API int script_show(uint32_t size);
CS_API void *script_memory(void);

static void tell(const char *line)
{
    uint32_t length = 0;
    while (line[length])
        length++;
    host_write(line, length);
    host_write("\n", 1);
}

uint32_t script_make(void) { return same_make(); }
int script_show(uint32_t size) { return same_show(size, tell); }
void *script_memory(void) { return same_memory; }
