#define _GNU_SOURCE
#include "host_process.h"

#if defined(SUITE_PROCESSES)

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

host the_host;

int host_open(const cs_config *config)
{
    host *h = &the_host;
    const char *directory = getenv("TMPDIR");
    cs_config small = suite_config();
    small.participants = 16;
    if (!config)
        config = &small;
    h->size = cs_region_size(config);
    if (snprintf(h->path, sizeof h->path, "%s/conformance-XXXXXX", directory ? directory : "/tmp") >=
        (int)sizeof h->path)
        return suite_check(0, "TMPDIR is short enough", __FILE__, __LINE__);
    int file = mkstemp(h->path);
    if (!CHECK(file >= 0) || !CHECK(ftruncate(file, (off_t)h->size) == 0))
        return 0;
    h->memory = mmap(0, (size_t)h->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    h->shared = mmap(0, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    close(file);
    h->file = open(h->path, O_RDWR | O_CLOEXEC);
    return CHECK(h->memory != MAP_FAILED) && CHECK(h->shared != MAP_FAILED) && CHECK(h->file >= 0) &&
           CHECK_RESULT(cs_region_format(h->memory, h->size, config, CS_ZEROED), CS_OK) &&
           CHECK_RESULT(cs_region_attach(&h->view, h->memory, h->size, 0, h->file), CS_OK);
}

void host_close(void)
{
    host *h = &the_host;
    cs_region_detach(&h->view);
    munmap(h->memory, (size_t)h->size);
    munmap(h->shared, sizeof(shared));
    close(h->file);
    unlink(h->path);
}

void host_enter_child(void)
{
    host *h = &the_host;
    int inherited = h->file;
    h->file = open(h->path, O_RDWR | O_CLOEXEC);
    if (h->file < 0 || cs_region_after_fork(&h->view, h->file) != CS_OK)
        _exit(97);
    close(inherited); /* kept, it would keep the parent's participant alive after the parent */
}

pid_t host_spawn(int (*body)(uint32_t), uint32_t number)
{
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child > 0)
        return child;
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a suite that is killed leaves no child behind */
#endif
    host_enter_child();
    _exit(body(number));
}

int host_wait(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void host_kill(pid_t child)
{
    kill(child, SIGKILL);
    (void)host_wait(child);
}

/* -- signs between processes ---------------------------------------------------------------- */

static void await(uint32_t *word, uint32_t least)
{
    uint32_t now;
    siginfo_t ended;
    while ((now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) < least) {
        (void)cs_port_wait(word, now, 100000000u);
        memset(&ended, 0, sizeof ended);
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
            suite_check(0, "no child ends before it is ready", __FILE__, __LINE__);
            return;
        }
    }
}

static void tell(uint32_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
    cs_port_wake(word, 1);
}

void host_ready(void) { tell(&the_host.shared->ready); }
void host_await_ready(uint32_t count) { await(&the_host.shared->ready, count); }
void host_go(void) { tell(&the_host.shared->go); }
void host_await_go(void) { await(&the_host.shared->go, 1); }

void host_hang(void)
{
    for (;;)
        pause();
}

#endif
