/*
 * record.pml: bytes that change as a whole (csrc/src/record.c).
 *
 *   writer    take and csi_record_write
 *   reader    csi_record_read with csi_record_stood
 *   sweeper   csi_record_sweep
 *   killer    a writer dies between any two of its steps; the others go on
 *
 * Proved: what a reader accepts is one version, whole, that was current while it copied.
 * A buffer has two words. The word (version, owner, spoiled) is read and written as one, as in the core.
 *
 * MUTATION 1  the sweep does not say that it ended a writer's claim
 *          2  a writer writes the buffer that is current
 *          3  a reader does not look again after its copy
 *          4  a reader accepts the version before the one being written now
 *          5  who takes over from a dead writer does not say so, and withdraws
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define WRITERS 2
#define VERSIONS 4
#define READS 2

byte version, owner;
bool spoiled;
byte low[2], high[2];
bool dead[WRITERS + 1];
byte deaths;

#define DO(step) atomic { if :: dead[me] -> goto gone :: else -> step fi }

proctype writer(byte me)
{
    byte v;
    byte to;
end:
    do
    :: DO(skip);
       atomic { /* a compare-and-swap from exactly what was found: free, or a dead writer's */
           if
           :: dead[me] -> goto gone
           :: !dead[me] && version >= VERSIONS -> goto gone
           :: !dead[me] && version < VERSIONS && owner == 0 -> v = version; owner = me
           :: !dead[me] && version < VERSIONS && owner != 0 && dead[owner] ->
              v = version;
#if MUTATION != 5
              spoiled = true;
#endif
              owner = me
           fi
       }
       if
       :: to = (v + 1) & 1
       :: skip -> DO(owner = 0); goto end /* the handle was stale: nothing is written, and what was spoiled stays so */
       fi;
#if MUTATION == 2
       to = v & 1;
#endif
       DO(low[to] = v + 1);
       DO(high[to] = v + 1);
       DO(version = v + 1; owner = 0; spoiled = false)
    od;
gone:
    skip
}

active proctype sweeper()
{
end:
    do
    :: atomic {
           owner != 0 && dead[owner] ->
           owner = 0;
#if MUTATION != 1
           spoiled = true
#endif
       }
    od
}

active proctype killer()
{
    if
    :: atomic { deaths < 2; dead[1] = true; deaths++ }
    :: skip
    fi;
    if
    :: atomic { deaths < 2; dead[2] = true; deaths++ }
    :: skip
    fi
}

active proctype reader()
{
    byte reads, before, a, b, moved;
    bool stood;
    do
    :: reads < READS ->
       reads++;
       before = version;
       a = low[before & 1];
       b = high[before & 1];
       atomic {
           moved = version - before;
#if MUTATION == 3
           stood = true;
#elif MUTATION == 4
           stood = moved <= 1;
#else
           stood = moved == 0 || (moved == 1 && owner == 0 && !spoiled);
#endif
           if
           :: stood -> assert(a == before && b == before)
           :: else
           fi
       }
    :: else -> break
    od
}

init
{
    atomic {
        run writer(1);
        run writer(2)
    }
}
