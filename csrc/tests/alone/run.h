/* run.h: the suite on the core of csrc/alone. */
#ifndef SUITE_ALONE_H
#define SUITE_ALONE_H

/* Runs every case that core is to pass; how many checks failed. */
int suite_run_alone(void);

#endif
