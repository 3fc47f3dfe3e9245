/* The suite on a host: `conformance [prefix of a case's name]`. Exits 0 when every check held. */
#include "suite.h"

#include <stdio.h>

void suite_write(const char *text) { fputs(text, stdout); }

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "usage: %s [PREFIX]  runs the cases whose name starts with PREFIX, or all\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, 0, _IONBF, 0); /* so that a forked child has nothing of its parent's to write again */
    return suite_run(argc == 2 ? argv[1] : 0) == 0 ? 0 : 1;
}
