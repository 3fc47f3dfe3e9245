/* "make PATH" or "show PATH": as same_host.c, with the host's files by semihosting. */
#include "same.h"
#include "semihost.h"

static void tell(const char *line)
{
    semihost_write(line);
    semihost_write("\n");
}

int main(void)
{
    const char *what = semihost_arguments();
    const char *path = what + 5; /* both words have four letters */
    if (what[0] == 'm') {
        uint32_t size = same_make();
        return size && semihost_save(path, same_memory, size) == (int32_t)size ? 0 : 1;
    }
    int32_t size = semihost_load(path, same_memory, SAME_BYTES);
    return size > 0 && same_show((uint32_t)size, tell) == CS_OK ? 0 : 1;
}
