/*
 * share.c: two processes, one region, no server. The parent makes a region in a file; the child attaches, announces
 * itself, counts, and changes the engine's state; the parent sleeps until it hears of it.
 *
 *   cc -std=c11 share.c $(pkg-config --cflags --libs corestate) -o share && ./share
 */
#define _GNU_SOURCE
#include <corestate/corestate.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop(const char *what, int code)
{
    fprintf(stderr, "%s: %s\n", what, cs_strerror(code));
    exit(1);
}

static void must(const char *what, int code)
{
    if (code < 0)
        stop(what, code);
}

/* Everything a program needs to take part: the file mapped, and a descriptor of its own by which others see it live. */
static void attach(cs_region *region, const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    int own = open(path, O_RDWR | O_CLOEXEC);
    off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (size <= 0 || own < 0)
        stop(path, CS_E_IO);
    void *memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        stop(path, CS_E_IO);
    must("attach", cs_region_attach(region, memory, (uint64_t)size, 0, own));
}

/* A new file with an empty region of the default sizes. */
static void create(int file)
{
    cs_config config;
    cs_config_default(&config);
    size_t size = (size_t)cs_region_size(&config);
    if (posix_fallocate(file, 0, (off_t)size) != 0)
        stop("no space for the region", CS_E_IO);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        stop("map", CS_E_IO);
    must("format", cs_region_format(memory, size, &config, CS_ZEROED));
    munmap(memory, size);
}

static int child(const char *path)
{
    cs_region region;
    cs_handle agent;
    cs_handle spikes;
    attach(&region, path);
    must("register", cs_agent_register(&region, "camera", CS_NUL, CS_AGENT_SENSORY, NULL, &agent));
    must("counter", cs_counter_open(&region, "spikes", CS_NUL, &spikes));
    for (int i = 0; i < 1000; i++)
        must("add", cs_counter_add(&region, spikes, 1, NULL));
    must("state", cs_engine_set_state(&region, CS_STATE_BURST, CS_BURST_RUNNING));
    cs_region_detach(&region);
    return 0;
}

/* Reads events until the engine runs. */
static void follow(cs_region *region, cs_subscription *events)
{
    struct {
        cs_event head;
        unsigned char data[1024];
    } row;
    while (cs_engine_state(region, CS_STATE_BURST) != CS_BURST_RUNNING || events->next <= cs_event_newest(region)) {
        uint32_t count = 0;
        uint32_t length = 0;
        char kind[64];
        must("drain", cs_events_drain(region, events, &row, sizeof row, 1, &count));
        if (count == 0) {
            must("wait", cs_events_wait(region, events, CS_FOREVER));
            continue;
        }
        must("kind", cs_kind_name(region, row.head.kind, kind, &length));
        printf("event %llu: %s\n", (unsigned long long)row.head.sequence, kind);
    }
}

int main(void)
{
    char path[] = "/tmp/corestate-example-XXXXXX";
    int file = mkstemp(path);
    if (file < 0)
        stop(path, CS_E_IO);
    create(file);
    close(file);

    cs_region region;
    cs_subscription events;
    attach(&region, path);
    must("subscribe", cs_subscribe(&region, &events, 0));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(path));
    follow(&region, &events);
    int status = -1;
    waitpid(pid, &status, 0);

    cs_handle spikes;
    uint64_t value = 0;
    must("counter", cs_counter_find(&region, "spikes", CS_NUL, &spikes));
    must("read", cs_counter_get(&region, spikes, &value));
    printf("spikes: %llu, lost events: %llu\n", (unsigned long long)value, (unsigned long long)events.lost);
    cs_region_detach(&region);
    unlink(path);
    return status == 0 && value == 1000 && events.lost == 0 ? 0 : 1;
}
