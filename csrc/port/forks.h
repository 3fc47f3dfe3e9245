/*
 * forks.h: a child of fork is not its parent. Of each view that is attached the port keeps where its mark lies. In a child,
 * before fork returns there, each view becomes nobody's until cs_region_after_fork, and the child lets go of the open file
 * description that says that its parent lives.
 *
 * The list is made of blocks that are never given back, and changed by single atomic steps: a fork in the middle of a
 * change leaves the child a list it can walk. A view whose memory went without a detach is still on it. Therefore a child
 * looks at a mark only where memory can be read, and believes it only when it has the value it was given.
 *
 * Included once by a port, which has before it: forks_readable and forks_let_go.
 */
#ifndef CORESTATE_PORT_FORKS_H
#define CORESTATE_PORT_FORKS_H

#include "unix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FORKS_IN_BLOCK 32

typedef struct watched {
    uint64_t *_Atomic mark; /* null: a free place; &taken: being filled */
    uint64_t value;         /* what the mark says */
    volatile uint32_t *who;
    int64_t handle;
    dev_t device; /* of the handle, so that a number that is used again is not taken for it */
    ino_t inode;
} watched;

typedef struct watched_block {
    watched at[FORKS_IN_BLOCK];
    struct watched_block *_Atomic next;
} watched_block;

/* May these eight bytes be read? Without a signal when not. */
static int forks_readable(const uint64_t *mark);
/* In a child: what is locked under this number is the parent's alone from now on. The number itself stays in use. */
static void forks_let_go(const watched *view);

static watched_block first_watched;
static uint64_t taken; /* no view's mark */

/* Was this file opened for the view, and not closed since? */
static inline int forks_has_file(const watched *view)
{
    struct stat now;
    return view->handle >= 0 && view->handle <= INT_MAX && fstat((int)view->handle, &now) == 0 &&
           now.st_dev == view->device && now.st_ino == view->inode;
}

#if defined(__GNUC__)
#define FORKS_UNCHECKED __attribute__((noinline, no_sanitize("address")))
#else
#define FORKS_UNCHECKED
#endif

/* In a child. The view's memory may be in nobody's use any more, which is not to be reported. */
FORKS_UNCHECKED static int forks_clear(uint64_t *mark, const watched *view)
{
    if (!forks_readable(mark) || *(volatile uint64_t *)mark != view->value)
        return 0;
    *(volatile uint64_t *)mark = 0;
    view->who[0] = view->who[1] = 0;
    return 1;
}

static void forks_in_child(void)
{
    for (watched_block *block = &first_watched; block; block = atomic_load(&block->next))
        for (int i = 0; i < FORKS_IN_BLOCK; i++) {
            watched *view = &block->at[i];
            uint64_t *mark = atomic_load(&view->mark);
            if (mark && mark != &taken && forks_clear(mark, view))
                forks_let_go(view);
            atomic_store(&view->mark, NULL);
        }
}

static watched *forks_find(const uint64_t *mark)
{
    for (watched_block *block = &first_watched; block; block = atomic_load(&block->next))
        for (int i = 0; i < FORKS_IN_BLOCK; i++)
            if (atomic_load(&block->at[i].mark) == mark)
                return &block->at[i];
    return NULL;
}

static watched *forks_take_place(void)
{
    for (watched_block *block = &first_watched;; block = atomic_load(&block->next)) {
        for (int i = 0; i < FORKS_IN_BLOCK; i++) {
            uint64_t *none = NULL;
            if (atomic_compare_exchange_strong(&block->at[i].mark, &none, &taken))
                return &block->at[i];
        }
        if (!atomic_load(&block->next)) {
            watched_block *none = NULL;
            void *more = mmap(NULL, sizeof(watched_block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED)
                return NULL;
            if (!atomic_compare_exchange_strong(&block->next, &none, (watched_block *)more))
                munmap(more, sizeof(watched_block));
        }
    }
}

void cs_port_watch(uint64_t *mark, void *who, int64_t handle)
{
    static _Atomic int asked;
    static _Atomic uint32_t count;
    struct stat file = {0};
    watched *view = forks_find(mark); /* attached anew without having been detached */
    if (view)
        atomic_store(&view->mark, &taken);
    else
        view = forks_take_place();
    /* Never twice the same in one process, and another one in its child. */
    *mark = (uint64_t)(atomic_fetch_add(&count, 1) + 1) << 32 | (uint32_t)getpid();
    if (!view) /* no memory: then a child has to know by itself */
        return;
    if (handle < 0 || handle > INT_MAX || fstat((int)handle, &file) != 0)
        handle = -1;
    view->value = *mark;
    view->who = who;
    view->handle = handle;
    view->device = file.st_dev;
    view->inode = file.st_ino;
    atomic_store(&view->mark, mark);
    if (!atomic_exchange(&asked, 1))
        pthread_atfork(NULL, NULL, forks_in_child);
}

int cs_port_unwatch(uint64_t *mark)
{
    int mine = (uint32_t)*mark == (uint32_t)getpid(); /* false after _Fork or clone, which tell nobody */
    watched *view = forks_find(mark);
    if (view)
        atomic_store(&view->mark, NULL);
    *mark = 0;
    return mine;
}

#endif
