/*
 * windows.c: the port to Windows.
 *
 * WaitOnAddress wakes only inside one process. So a waiter sleeps in slices: a thread of its own process wakes it
 * at once, another process's change is seen when the slice ends. Who lives is told by process id and start time:
 * Windows locks byte ranges too, but a lock cannot be asked about without taking it.
 *
 * The boot id stays zero: Windows has no stable one. The start time, which is absolute, tells boots apart.
 * cs_port_enter and cs_port_leave are not here: every Windows target has 64-bit atomics.
 */
#define WIN32_LEAN_AND_MEAN
#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0602 /* Windows 8: WaitOnAddress, precise time */
#endif

#include <windows.h>

#include "corestate/port.h"

#define SLICE_MS 1u
#define NS_PER_MS 1000000u

/* From 100 ns since 1601 to ns since 1970. */
static uint64_t since_epoch(FILETIME time)
{
    uint64_t ticks = (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
    return (ticks - 116444736000000000u) * 100u;
}

uint64_t cs_port_now_ns(void)
{
    FILETIME time;
    GetSystemTimePreciseAsFileTime(&time);
    return since_epoch(time);
}

uint64_t cs_port_coarse_ns(void)
{
    FILETIME time;
    GetSystemTimeAsFileTime(&time);
    return since_epoch(time);
}

uint64_t cs_port_monotonic_ns(void)
{
    LARGE_INTEGER frequency, count;
    uint64_t per_second, ticks;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    per_second = (uint64_t)frequency.QuadPart;
    ticks = (uint64_t)count.QuadPart;
    /* Seconds and rest apart: the product of all ticks would overflow after some minutes. */
    return ticks / per_second * 1000000000u + ticks % per_second * 1000000000u / per_second;
}

uint32_t cs_port_thread(void) { return (uint32_t)GetCurrentThreadId(); }

/* When a process started, in 100 ns since 1601; 0 where it may not be asked. */
static uint64_t start_of(HANDLE process)
{
    FILETIME created, ended, kernel, user;
    if (!GetProcessTimes(process, &created, &ended, &kernel, &user)) {
        return 0;
    }
    return (uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

void cs_port_identify(cs_identity *identity)
{
    identity->start = start_of(GetCurrentProcess());
    identity->boot[0] = identity->boot[1] = 0;
    identity->pid = (uint32_t)GetCurrentProcessId();
    identity->space = 0;
}

/* advapi32's RtlGenRandom, which no header declares under a name that can be called. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

void cs_port_random(uint64_t out[2])
{
    if (!SystemFunction036(out, (ULONG)(2 * sizeof *out))) {
        out[0] = cs_port_now_ns() * 0x9E3779B97F4A7C15u;
        out[1] = cs_port_monotonic_ns() ^ (uint64_t)GetCurrentProcessId() << 32;
    }
}

int cs_port_wait(const void *word, uint32_t expected, uint64_t timeout_ns)
{
    /* WaitOnAddress takes a word that is not const, and writes nothing to it. */
    union {
        const void *given;
        volatile void *taken;
    } at = {word};
    uint64_t started = cs_port_monotonic_ns();
    while (*(const volatile uint32_t *)word == expected) {
        uint64_t passed = cs_port_monotonic_ns() - started;
        if (passed >= timeout_ns) {
            return CS_E_TIMEOUT;
        }
        if (WaitOnAddress(at.taken, &expected, sizeof expected, SLICE_MS)) {
            return CS_OK;
        }
        if (GetLastError() != ERROR_TIMEOUT) {
            Sleep(SLICE_MS);
        }
    }
    return CS_OK;
}

void cs_port_wake(const void *word, int all)
{
    union {
        const void *given;
        void *taken;
    } at = {word};
    if (all) {
        WakeByAddressAll(at.taken);
    } else {
        WakeByAddressSingle(at.taken);
    }
}

int cs_port_sleep(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS ? 1u : 0u);
    Sleep(ms < 0xFFFFFFFEu ? (DWORD)ms : 0xFFFFFFFEu); /* 0xFFFFFFFF would be for ever */
    return CS_OK;
}

void cs_port_pause(void) { YieldProcessor(); }

int cs_port_claim(int64_t handle, uint32_t slot)
{
    (void)handle;
    (void)slot;
    return CS_E_UNSUPPORTED;
}

void cs_port_unclaim(int64_t handle, uint32_t slot)
{
    (void)handle;
    (void)slot;
}

int cs_port_alive(int64_t handle, uint32_t slot, const cs_identity *who)
{
    HANDLE process;
    uint64_t start;
    int alive;
    (void)handle;
    (void)slot;
    process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, who->pid);
    if (!process) {
        return GetLastError() == ERROR_ACCESS_DENIED; /* it exists, and is somebody else's */
    }
    /* An exit code cannot tell: 259 means "still running" and may be returned by who has ended. */
    alive = WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    start = start_of(process);
    CloseHandle(process);
    return alive && !(who->start && start && who->start != start);
}

/* Nothing forks here. */
void cs_port_watch(uint64_t *mark, void *who, int64_t handle) { (void)mark, (void)who, (void)handle; }
int cs_port_unwatch(uint64_t *mark)
{
    (void)mark;
    return 1;
}
