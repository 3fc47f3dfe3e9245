/*
 * seeds.c: what the fuzzers begin with when there is no corpus: whole pictures and regions, to be spoiled.
 *
 *   seeds DIRECTORY    writes DIRECTORY/snapshot/... and DIRECTORY/region/..., which must exist
 */
#include "visit.h"

#include <stdio.h>
#include <string.h>

static FILE *seed(const char *directory, const char *target, const char *name, const unsigned char *head, size_t length)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    NEED(file && fwrite(head, 1, length, file) == length);
    return file;
}

static int write_to(void *context, const void *bytes, uint32_t length)
{
    return fwrite(bytes, 1, length, context) == length ? 0 : -1;
}

/* With its checksum, and to be given a right one whatever becomes of it (without the five bytes it then has). */
static void pictures(const char *directory, cs_region *region)
{
    static const unsigned char as_it_is[] = {2}, to_be_put_right[] = {3};
    FILE *file = seed(directory, "snapshot", "whole", as_it_is, sizeof as_it_is);
    NEED(cs_snapshot_write(region, write_to, file, 0) == CS_OK);
    NEED(fclose(file) == 0);
    file = seed(directory, "snapshot", "open", to_be_put_right, sizeof to_be_put_right);
    cs_snapshot_info info;
    NEED(cs_snapshot_write(region, write_to, file, &info) == CS_OK);
    NEED(fclose(file) == 0);
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/snapshot/open", directory);
    unsigned char whole[8192];
    file = fopen(path, "rb");
    NEED(file && info.bytes + 1 <= sizeof whole && fread(whole, 1, sizeof whole, file) == info.bytes + 1);
    NEED(fclose(file) == 0);
    file = seed(directory, "snapshot", "open", whole, info.bytes + 1 - 5);
    NEED(fclose(file) == 0);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        (void)fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    rig r;
    member s;
    cs_config config = rig_config();
    rig_open(&r, &config);
    rig_format(&r);
    NEED(rig_join(&r, &s, 0) == CS_OK);
    visit_furnish(&s.region);
    pictures(arguments[1], &s.region);
    for (unsigned char base = 0; base < 3; base++) { /* no patch, a sweep, and one call of each kind */
        unsigned char input[64] = {base, 0xFF, 0, 0, 0, 12, 0, 0, 255, 3, 0, 0};
        char name[16];
        for (unsigned char what = 0; what < 8; what++)
            memcpy(input + 12 + 3 * what, (unsigned char[3]){what, what, 1}, 3);
        (void)snprintf(name, sizeof name, "base%u", base);
        NEED(fclose(seed(arguments[1], "region", name, input, 12 + 24)) == 0);
    }
    FILE *image = seed(arguments[1], "region", "image", (const unsigned char[]){255, 1, 0, 0, 0, 12}, 6);
    NEED(fwrite(r.memory, 1, r.size, image) == r.size && fclose(image) == 0);
    rig_leave(&s);
    rig_close(&r);
    return 0;
}
