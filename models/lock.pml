/*
 * lock.pml: the owner-tagged lock with inheritance (csrc/src/claim.c, csrc/src/locks.c).
 *
 *   process   csi_claim_try, take and csi_claim_wait; csi_claim_release
 *   sweeper   orphan (csi_locks_sweep): the dead holder's tag goes, that it died stays
 *   killer    two processes die between any two of their steps
 *
 * Who is asleep is in `asleep`: the futex. A wait ends by a wake, by a change of the word before it began, or by its
 * slice, of which there are enough.
 * Proved: never two alive in the guarded section; whoever enters after one who died in there is told, and nobody else
 * is; nobody sleeps for ever, and with no deaths nobody needs a slice to be woken.
 *
 * MUTATION 1  a dead holder's word is overwritten without looking whether it still is that word
 *          2  the sweep frees a dead holder's lock without a mark
 *          3  a release overwrites the word without noticing a waiter
 *          4  who has slept takes the lock without keeping the waiters' mark
 *          5  a living holder is taken for dead
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define N 3
#define TURNS 2

byte owner; /* the word: owner, inherited, waiters */
bool inherited, waiters;
bool dead[N + 1], asleep[N + 1];
byte inside, deaths, at_work;
bool broken; /* ghost: somebody died inside and nobody has been told yet */

#define DO(step) atomic { if :: dead[me] -> goto gone :: else -> step fi }

proctype process(byte me)
{
    byte turn, o;
    bool i, w, extra, told;
    do
    :: turn < TURNS ->
       turn++;
       extra = false;
again: DO(o = owner; i = inherited; w = waiters);
       if
#if MUTATION == 5
       :: o != 0 && false -> skip
#else
       :: o != 0 && !dead[o] ->
          if
          :: !w ->
             DO(if
                :: owner == o && inherited == i && waiters == w -> waiters = true
                :: else -> goto again
                fi)
          :: else
          fi;
          DO(if /* the futex compares and goes to sleep in one step */
             :: owner == o && inherited == i && waiters -> asleep[me] = true
             :: else
             fi);
          if
          :: !asleep[me]
          :: dead[me]
          :: atomic { asleep[me] && deaths > 0 -> asleep[me] = false } /* its slice */
          fi;
          extra = true;
          goto again
#endif
       :: else ->
          told = i || o != 0;
          DO(if
#if MUTATION == 1
             :: true ->
#else
             :: owner == o && inherited == i && waiters == w ->
#endif
                owner = me;
                inherited = told;
#if MUTATION == 4
                waiters = w;
#else
                waiters = w || extra;
#endif
             :: else -> goto again
             fi;
             assert(inside == 0);
             inside++;
             assert(told == broken);
             broken = false)
       fi;
       DO(skip); /* in the guarded section */
       DO(inside--);
       /* From here on a death harms nobody, but the next one cannot know that. */
       DO(broken = true);
#if MUTATION == 3
       DO(w = waiters);
       DO(broken = false; owner = 0; inherited = false; waiters = false);
#else
       DO(broken = false; w = waiters; owner = 0; inherited = false; waiters = false);
#endif
       if
       :: w ->
          atomic {
              if
              :: dead[me] -> goto gone
              :: !dead[me] && asleep[1] -> asleep[1] = false
              :: !dead[me] && asleep[2] -> asleep[2] = false
              :: !dead[me] && asleep[3] -> asleep[3] = false
              :: !dead[me] && !asleep[1] && !asleep[2] && !asleep[3]
              fi
          }
       :: else
       fi
    :: else -> break
    od;
gone:
    atomic { at_work--; asleep[me] = false }
}

active proctype sweeper()
{
end:
    do
    :: atomic {
           owner != 0 && dead[owner] ->
           owner = 0;
           waiters = false;
#if MUTATION != 2
           inherited = true;
#endif
           asleep[1] = false;
           asleep[2] = false;
           asleep[3] = false
       }
    od
}

/* The section's owner may be dead and counted inside: who dies there leaves it. */
inline kill(who)
{
    atomic {
        dead[who] = true;
        deaths++;
        if
        :: owner == who && inside > 0 -> inside = 0; broken = true
        :: owner == who && inside == 0 -> broken = true
        :: else
        fi
    }
}

active proctype killer()
{
    if
    :: kill(1)
    :: skip
    fi;
    if
    :: kill(2)
    :: skip
    fi
}

init
{
    atomic {
        at_work = N;
        run process(1);
        run process(2);
        run process(3)
    }
}
