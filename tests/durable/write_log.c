/*
 * write_log.c: records what a process does to the files of one directory, to lose power later, on paper.
 *
 * Loaded with LD_PRELOAD. WRITE_LOG_DIR names the directory, WRITE_LOG the file the records go to, each a line of
 * `KIND NAME OFFSET LENGTH` and then LENGTH bytes. KIND: W bytes written, T cut or grown to OFFSET, S synced, U unlinked.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

/* The part of a path within the directory, or null. */
static const char *within(const char *path)
{
    const char *directory = getenv("WRITE_LOG_DIR");
    size_t length = directory ? strlen(directory) : 0;
    return length && !strncmp(path, directory, length) && path[length] == '/' ? path + length + 1 : 0;
}

static void record(char kind, const char *name, long long offset, const void *data, size_t length)
{
    ssize_t (*plain)(int, const struct iovec *, int) = next("writev");
    char head[PATH_MAX + 64];
    int size = snprintf(head, sizeof head, "%c %s %lld %zu\n", kind, name, offset, length);
    struct iovec parts[2] = {{head, (size_t)size}, {(void *)data, length}};
    pthread_mutex_lock(&turn);
    if (out < 0)
        out = open(getenv("WRITE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (plain(out, parts, 2) != (ssize_t)(length + (size_t)size))
        abort();
    pthread_mutex_unlock(&turn);
}

static void record_of(char kind, int descriptor, long long offset, const void *data, size_t length)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0)
        return;
    path[size] = 0;
    const char *name = within(path);
    if (name)
        record(kind, name, offset, data, length);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");
    ssize_t done = real(descriptor, data, length, offset);
    if (done > 0)
        record_of('W', descriptor, offset, data, (size_t)done);
    return done;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset)
{
    return pwrite64(descriptor, data, length, offset);
}

ssize_t write(int descriptor, const void *data, size_t length)
{
    ssize_t (*real)(int, const void *, size_t) = next("write");
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    ssize_t done = real(descriptor, data, length);
    if (done > 0 && at >= 0)
        record_of('W', descriptor, at, data, (size_t)done);
    return done;
}

int ftruncate64(int descriptor, off64_t size)
{
    int (*real)(int, off64_t) = next("ftruncate64");
    int result = real(descriptor, size);
    if (!result)
        record_of('T', descriptor, size, "", 0);
    return result;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

int fsync(int descriptor)
{
    int (*real)(int) = next("fsync");
    int result = real(descriptor);
    if (!result)
        record_of('S', descriptor, 0, "", 0);
    return result;
}

int fdatasync(int descriptor)
{
    int (*real)(int) = next("fdatasync");
    int result = real(descriptor);
    if (!result)
        record_of('S', descriptor, 0, "", 0);
    return result;
}

int unlink(const char *path)
{
    int (*real)(const char *) = next("unlink");
    int result = real(path);
    const char *name = result ? 0 : within(path);
    if (name)
        record('U', name, 0, "", 0);
    return result;
}
