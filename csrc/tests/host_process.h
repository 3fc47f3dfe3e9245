/*
 * host_process.h: processes on one region file. Each has an open file description of its own for the port's locks.
 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include "host.h"

#include <stdint.h>
#include <sys/types.h>

/* Memory besides the region that all processes of a case share, for what they tell each other. */
typedef struct shared {
    uint32_t ready; /* processes that got to where the parent waits for them */
    uint32_t go;    /* set by the parent */
    uint64_t number[16];
} shared;

typedef struct host {
    char path[64];
    int file; /* this process's handle */
    void *memory;
    uint64_t size;
    cs_region view; /* this process's */
    shared *shared;
} host;

extern host the_host;

/* Makes a region file, maps it and attaches; 0 with a failed check when it cannot. */
int host_open(const cs_config *config);
/* Detaches, unmaps, removes the file. */
void host_close(void);

/* In a child: its own handle and its own view; ends the child when it cannot. */
void host_enter_child(void);
/* Forks; the child enters, calls body(number) and exits with what it returns. */
pid_t host_spawn(int (*body)(uint32_t number), uint32_t number);
/* kill -9, and until the kernel has let go of all it held. */
void host_kill(pid_t child);
/* The exit status of a child; -1 when a signal ended it. */
int host_wait(pid_t child);

/* Of `shared`: from a child; and until `count` have done it. */
void host_ready(void);
void host_await_ready(uint32_t count);
void host_go(void);
void host_await_go(void);
/* For ever, or until killed. */
void host_hang(void);

#endif
