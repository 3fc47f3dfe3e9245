/* `same make PATH` writes the region of the script to a file, `same show PATH` tells every field of one. */
#include "same.h"

#include <stdio.h>

static void tell(const char *line) { puts(line); }

int main(int argc, char **argv)
{
    if (argc != 3 || (argv[1][0] != 'm' && argv[1][0] != 's'))
        return 2;
    int make = argv[1][0] == 'm';
    FILE *file = fopen(argv[2], make ? "wb" : "rb");
    if (!file)
        return 1;
    size_t size = make ? same_make() : fread(same_memory, 1, SAME_BYTES, file);
    int done = make ? size && fwrite(same_memory, 1, size, file) == size : same_show((uint32_t)size, tell) == CS_OK;
    return fclose(file) == 0 && done ? 0 : 1;
}
