/* The suite on a host: `conformance [prefix of a case's name]`. Exits 0 when every check held. */
#include "suite.h"

#include <stdio.h>

#include "host.h"

void suite_write(const char *text) { fputs(text, stdout); }

#if 1
const suite_case *suite_extra;
#endif

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "usage: %s [PREFIX]  runs the cases whose name starts with PREFIX, or all\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, 0, _IOLBF, BUFSIZ);
    return suite_run(argc == 2 ? argv[1] : 0) == 0 ? 0 : 1;
}
