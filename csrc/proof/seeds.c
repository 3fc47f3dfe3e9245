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
    static const unsigned char as_it_is[] = {6}, to_be_put_right[] = {7};
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

/* A whole region, the smallest that has something of most things. */
static void image(const char *directory)
{
    rig r;
    member s;
    cs_config config = {.agents = 2,
                        .counters = 2,
                        .areas = 1,
                        .locks = 1,
                        .events = 2,
                        .event_bytes = 24,
                        .event_kinds = 2,
                        .participants = 1,
                        .key_bytes = 16,
                        .line_bytes = 8,
                        .fcl_window = 20,
                        .budgets = 1,
                        .reservations = 1};
    rig_open(&r, &config);
    rig_format(&r);
    NEED(rig_join(&r, &s, 0) == CS_OK);
    visit_furnish(&s.region);
    FILE *file = seed(directory, "region", "image", (const unsigned char[]){255, 1, 0, 0, 0, 12, 0}, 7);
    NEED(fwrite(r.memory, 1, r.size, file) == r.size && fclose(file) == 0);
    rig_leave(&s);
    rig_close(&r);
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
        unsigned char input[64] = {base, 0xFF, 0, 0, 0, 12, 0, 0, 0, 255};
        char name[16];
        for (unsigned char what = 0; what < 8; what++)
            memcpy(input + 10 + 3 * what, (unsigned char[3]){what, what, 1}, 3);
        (void)snprintf(name, sizeof name, "base%u", base);
        NEED(fclose(seed(arguments[1], "region", name, input, 10 + 24)) == 0);
    }
    rig_leave(&s);
    rig_close(&r);
    image(arguments[1]);
    return 0;
}
