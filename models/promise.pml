/*
 * promise.pml: a change and its event are told exactly once (csrc/src/promise.c, lane.c, and finish and
 * take_position in ring.c).
 *
 *   writer    csi_claim_soon, csi_lane_settle (csi_settle), csi_lane_change (csi_promise, the store, csi_keep)
 *   other     csi_publish of somebody else's events, which turn the ring over
 *   passer    a reader who passes over a producer that stands still (pass_over)
 *   sweeper   csi_ring_sweep, csi_engine_sweep (to_be_settled), csi_ring_release
 *
 * Both writers may die before any of their steps.
 * Proved: when all is settled, each change up to the lane's has been committed to the ring once, and nothing else has.
 * A slot's word is read and written as one, as in the core; so are the lane's state, its promise and its claim. A
 * slot's data are the change it tells of and who wrote them (source).
 *
 * MUTATION 1  the position is noted after the change is made
 *          2  who takes the lane from the dead settles nothing
 *          3  a dead producer's draft always becomes a hole
 *          4  a dead producer's draft is always told
 *          5  who was passed over gives his slot back before he has noted the new one
 *          6  the sweep gives slots back that a living one still needs to settle by
 *          7  the slot of a dead one who was passed over is taken like any other
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define SLOTS 2
#ifndef LAST
#define LAST 3 /* positions there can be */
#endif
#ifndef EVENTS
#define EVENTS 1 /* of others */
#endif
#define NOBODY 0
#define OTHER 3 /* writers are 1 and 2 */

#define FREE 0
#define CLAIMED 1
#define COMMITTED 2
#define HOLE 3

byte head;
byte lap[SLOTS], own[SLOTS], st[SLOTS];
byte tells[SLOTS], source[SLOTS]; /* tells: the change, 0 somebody else's event */
byte state, promised, claim;      /* promised: position + 1 */
bool inherited;
bool dead[4], swept[4];
byte committed[4]; /* ghost: how often each change was committed */
byte at_work;
bool used_up;         /* the model's positions are used up */

#define LAP(p) ((p) / SLOTS + 1)
/* A writer may die before each of its steps; nobody can tell that from dying at any time between two of them. */
#define DO(step) atomic { if :: mortal -> dead[me] = true; goto gone :: true -> step fi }
#define SAME(i) (lap[i] == l && own[i] == o && st[i] == s)

#if MUTATION == 7
#define MUTANT_7 && !dead[o]
#else
#define MUTANT_7
#endif

/* What the draft of a dead producer becomes. Two looks, in the order of in_lane: state, then promise. */
inline finish(i)
{
    DO(told = tells[i] != 0 && state == tells[i]);
    DO(told = told && promised == (l - 1) * SLOTS + i + 1);
#if MUTATION == 3
    told = false;
#endif
#if MUTATION == 4
    told = tells[i] != 0;
#endif
    DO(if
       :: SAME(i) && told -> st[i] = COMMITTED; committed[tells[i]]++
       :: SAME(i) && !told -> st[i] = HOLE; own[i] = NOBODY
       :: else
       fi;
       told = false; f = 0)
}

/*
 * take_position: p is the position; used_up when there are no more. Its own steps are in ring.pml; here it is one,
 * but for what it does about the dead.
 */
inline take_position()
{
    won = false;
    do
    :: won || used_up -> break
    :: else ->
       DO(p = head;
          l = lap[p % SLOTS]; o = own[p % SLOTS]; s = st[p % SLOTS];
          passed = o != NOBODY && (s == CLAIMED || (s == HOLE && !swept[o])) MUTANT_7;
          if
          :: p >= LAST -> used_up = true
          :: p < LAST && s == CLAIMED && dead[o] -> skip /* finish, below */
          :: else ->
             lap[p % SLOTS] = LAP(p);
             head++;
             if
             :: passed -> st[p % SLOTS] = HOLE
             :: else -> st[p % SLOTS] = CLAIMED; own[p % SLOTS] = me; won = true
             fi
          fi;
          passed = false);
       if
       :: !won && !used_up && s == CLAIMED && dead[o] -> finish(p % SLOTS)
       :: else
       fi;
       atomic { l = 0; o = 0; s = 0 }
    od
}

/* Commit at p: won says whether it was not passed over. */
inline commit(what)
{
    DO(won = lap[p % SLOTS] == LAP(p) && own[p % SLOTS] == me && st[p % SLOTS] == CLAIMED;
       if
       :: won -> st[p % SLOTS] = COMMITTED; committed[what]++
       :: else
       fi)
}

inline give_back(q)
{
    DO(if :: st[q % SLOTS] == HOLE && own[q % SLOTS] == me -> own[q % SLOTS] = NOBODY :: else fi)
}

/* Tell change c, whose draft at p is made and noted, until nobody passes it over. */
inline keep(c)
{
    commit(c);
    do
    :: !won && !used_up ->
       old = p;
#if MUTATION == 5
       give_back(old);
#endif
       take_position();
       if
       :: used_up -> skip
       :: else ->
          DO(tells[p % SLOTS] = c; source[p % SLOTS] = me);
          DO(promised = p + 1);
          commit(c);
          give_back(old);
          old = 0
       fi
    :: else -> break
    od
}

/* csi_settle, under a claim taken from the dead. */
inline settle()
{
    DO(note = promised);
    if
    :: note != 0 ->
       i = (note - 1) % SLOTS;
       DO(l = lap[i]; o = own[i]; s = st[i]);
       if
       :: s == CLAIMED && dead[o] -> finish(i)
       :: else
       fi;
       /* Passed over, its draft still there, and of the change that was made: told anew. */
       DO(f = source[i]; told = state != 0 && tells[i] == state);
       DO(told = told && (st[i] == HOLE || st[i] == CLAIMED) && own[i] != NOBODY && f == own[i]);
       if
       :: told ->
          take_position();
          if
          :: used_up
          :: else ->
             DO(tells[p % SLOTS] = state; source[p % SLOTS] = me);
             DO(promised = p + 1);
             keep(state)
          fi
       :: else
       fi;
       atomic { told = false; f = 0; i = 0; l = 0; o = 0; s = 0; p = 0; won = false }
    :: else
    fi;
    note = 0
}

proctype writer(byte me)
{
    byte p, l, o, s, f, i, old, note, c;
    bool told, passed, won, took, mortal = true;
    atomic {
        if /* csi_claim_soon */
        :: claim == NOBODY -> claim = me; inherited = false
        :: claim != NOBODY && dead[claim] -> claim = me; inherited = true; took = true
        fi
    }
    if
    :: took && MUTATION != 2 -> settle()
    :: else
    fi;
    if
    :: used_up -> goto release
    :: else
    fi;
    c = state + 1;
    take_position();
    if
    :: used_up -> goto release
    :: else
    fi;
    DO(tells[p % SLOTS] = c; source[p % SLOTS] = me);
#if MUTATION == 1
    DO(state = c);
    DO(promised = p + 1);
#else
    DO(promised = p + 1);
    DO(state = c);
#endif
    keep(c);
release:
    DO(claim = NOBODY; inherited = false);
gone:
    atomic {
        at_work--;
        p = 0; l = 0; o = 0; s = 0; f = 0; i = 0; old = 0; note = 0; c = 0;
        told = false; passed = false; won = false; took = false
    }
}

proctype other()
{
    byte me = OTHER, p, l, o, s, f, n;
    bool told, passed, won, mortal;
    do
    :: n < EVENTS && !used_up ->
       n++;
       take_position();
       atomic {
           if
           :: won && own[p % SLOTS] == OTHER && st[p % SLOTS] == CLAIMED ->
              tells[p % SLOTS] = 0; source[p % SLOTS] = me; st[p % SLOTS] = COMMITTED
           :: else
           fi;
           p = 0
       }
    :: break
    od;
gone:
    skip
}

active proctype passer()
{
    byte i;
end:
    do
    :: atomic { st[0] == CLAIMED && own[0] != OTHER && !dead[own[0]] -> st[0] = HOLE }
    :: atomic { st[1] == CLAIMED && own[1] != OTHER && !dead[own[1]] -> st[1] = HOLE }
    od
}

#define DEAD_CLAIM (claim != NOBODY && claim < OTHER && dead[claim])

/* Sweeps the dead one after the other; at the end, when nobody else is at work, all must have been told. */
proctype sweeper()
{
    byte me = OTHER, p, l, o, s, f, i, old, note, who, k;
    bool told, passed, won, settled, mortal;
    do
    :: (dead[1] && !swept[1]) || (dead[2] && !swept[2]) ->
       if
       :: dead[1] && !swept[1] -> who = 1
       :: dead[2] && !swept[2] -> who = 2
       fi;
       k = 0;
       do
       :: k < SLOTS -> /* csi_ring_sweep */
          DO(l = lap[k]; o = own[k]; s = st[k]);
          if
          :: s == CLAIMED && o == who -> finish(k)
          :: else
          fi;
          k++
       :: else -> break
       od;
       settled = true;
       atomic { /* csi_engine_sweep: to_be_settled */
           if
           :: DEAD_CLAIM && (claim == who || inherited) -> claim = me; inherited = true
           :: else -> settled = !(claim != NOBODY && inherited)
           fi
       }
#if MUTATION == 6
       settled = true;
#endif
       if
       :: claim == me -> settle(); DO(claim = NOBODY; inherited = false)
       :: else
       fi;
       if
       :: settled ->
          k = 0;
          do
          :: k < SLOTS -> /* csi_ring_release */
             DO(if :: st[k] == HOLE && own[k] == who -> own[k] = NOBODY :: else fi);
             k++
          :: else -> break
          od;
          swept[who] = true
       :: else
       fi;
       atomic { k = 0; who = 0; l = 0; o = 0; s = 0; settled = false }
    :: at_work == 0 && (!dead[1] || swept[1]) && (!dead[2] || swept[2]) -> break
    od;
    atomic {
        if
        :: used_up /* the model's bound, not the core's */
        :: else ->
           assert(claim == NOBODY);
           assert(state < 1 || committed[1] == 1);
           assert(state < 2 || committed[2] == 1)
        fi;
        assert(committed[1] <= 1 && committed[2] <= 1);
        assert(state >= 1 || committed[1] == 0);
        assert(state >= 2 || committed[2] == 0)
    }
gone:
    skip
}

init
{
    atomic {
        at_work = 2;
        run writer(1);
        run writer(2);
        run other();
        run sweeper()
    }
}
