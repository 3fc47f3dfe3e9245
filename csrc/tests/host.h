/*
 * host.h: which of the host's cases this platform can run. Threads and processes here are POSIX's; elsewhere the
 * portable cases run alone.
 */
#ifndef HOST_H
#define HOST_H

#if (defined(__unix__) || defined(__APPLE__)) && !defined(SUITE_BARE)
#define SUITE_THREADS 1
#define SUITE_PROCESSES 1
#endif

#endif
