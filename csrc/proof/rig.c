#define _GNU_SOURCE
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISON 1
#endif
#ifdef POISON
#include <sanitizer/asan_interface.h>
#endif

uint64_t rig_faults;
static char doing[256] = "starting";

void rig_doing(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(doing, sizeof doing, format, arguments);
    va_end(arguments);
}

void rig_fault(const char *file, int line, const char *format, ...)
{
    static struct {
        int line;
        uint32_t times;
    } said[256];
    va_list arguments;
    rig_faults++;
    if (++said[line % 256].times > 3 && said[line % 256].line == line)
        return;
    said[line % 256].line = line;
    (void)fprintf(stderr, "%s:%d: %s: ", file, line, doing);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

void rig_need(int holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: %s: needs %s (errno %d)\n", file, line, doing, what, errno);
    exit(2);
}

cs_config rig_config(void)
{
    return (cs_config){.agents = 5,
                       .areas = 4,
                       .counters = 4,
                       .gauges = 3,
                       .locks = 4,
                       .events = 16,
                       .event_bytes = 64,
                       .event_kinds = 4,
                       .participants = 6,
                       .agent_details_bytes = 40,
                       .key_bytes = 32,
                       .line_bytes = 8,
                       .fcl_window = 20,
                       .budgets = 3,
                       .reservations = 4,
                       .values = 16,
                       .value_bytes = 64};
}

/* Memory-backed where possible: nothing here is about disks. */
static int make_file(void)
{
    static const char *const places[] = {"/dev/shm", "/tmp", "."};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int file = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (file >= 0)
            return file;
    }
    return -1;
}

void rig_open(rig *r, const cs_config *config)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    r->config = *config;
    r->size = cs_region_size(config);
    NEED(r->size > 0);
    r->file = make_file();
    NEED(r->file >= 0);
    NEED(ftruncate(r->file, (off_t)r->size) == 0);
    uint64_t inside = (r->size + page - 1) / page * page;
    unsigned char *whole = mmap(NULL, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(whole != MAP_FAILED);
    r->memory = mmap(whole + page, inside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r->file, 0);
    NEED(r->memory == whole + page);
#ifdef POISON /* and the rest of its last page is not the region's either */
    ASAN_POISON_MEMORY_REGION(r->memory + r->size, inside - r->size);
#endif
}

void rig_close(rig *r)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
#ifdef POISON
    ASAN_UNPOISON_MEMORY_REGION(r->memory, (r->size + page - 1) / page * page);
#endif
    (void)munmap(r->memory - page, (r->size + page - 1) / page * page + 2 * page);
    (void)close(r->file);
}

void rig_format(rig *r) { NEED(cs_region_format(r->memory, r->size, &r->config, 0) == CS_OK); }

static int describe(const rig *r)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", r->file);
    return open(path, O_RDWR | O_CLOEXEC);
}

int rig_join(const rig *r, member *s, uint32_t flags)
{
    s->handle = describe(r);
    NEED(s->handle >= 0);
    int result = cs_region_attach(&s->region, r->memory, r->size, flags, s->handle);
    if (result != CS_OK)
        (void)close(s->handle);
    return result;
}

void rig_leave(member *s)
{
    cs_region_detach(&s->region);
    (void)close(s->handle);
}

void rig_forget(member *s) { (void)close(s->handle); }

void *rig_share(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED);
    return memory;
}

uint64_t rig_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
