/*
 * table.pml: key to slot, with lookups that take no lock (csrc/src/table.c).
 *
 *   writer   csi_table_insert, csi_table_remove, with begin_change, unlink_slot, free_slot and end_change
 *   second   take_table and recover, then the same: it follows the first, dead or not
 *   reader   csi_table_find with walk and same_key
 *
 * The first writer may die before any of its steps; who takes over may die too, and a third finishes.
 * Keys 1 and 2 share a bucket, 3 has the other; there are two slots, used again and again, and at first keys 1 and
 * 2 are there. A slot's key is read by itself, its generation before and after, as in the core.
 * Proved: a reader finds a key only in a slot where it was while the reader looked, and misses it only if it was not
 * there at some time while the reader looked; after the last recovery every slot is live and chained once, or free
 * and listed once, or was never used, and the count is right.
 *
 * MUTATION 1  a removed slot forgets where its chain went on
 *          2  an insertion does not move the change number
 *          3  a miss is believed without looking at the change number again
 *          4  a reader does not look at the generation again
 *          5  recovery does not unlink
 *          6  freeing a slot twice lists it twice
 *          7  the slot is live before its key is written
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define SLOTS 2
#define NONE 0
#define INSERT 1
#define REMOVE 2
#define BUCKET(k) ((k) / 3)

byte generation[SLOTS], next[SLOTS], key[SLOTS], nextfree[SLOTS]; /* links are slot + 1, 0 none */
byte bucket[2], change, count, fresh, free;
byte intent, intent_slot, intent_count, intent_bucket;
bool dead[4], done[4];
byte where[4];      /* ghost: slot + 1 in which the key is, 0 nowhere */
byte looking;       /* ghost: the key a reader looks for */
bool was, was_not;  /* ghost: whether it was there, and was not, while he looks */
byte places;        /* ghost: bit: the slots it was in while he looks */

#define DO(step) atomic { if :: mortal -> dead[me] = true; goto gone :: true -> step fi }
#define LIVE(s) (generation[s] & 1)

/* Under the claim; steps as in the core. */
inline unlink_slot(b, s)
{
#if MUTATION == 5
    if
    :: recovering -> goto skip_unlink
    :: else
    fi;
#endif
    link = 0; /* the word that points: 0 the bucket, else slot + 1 */
    do
    :: DO(found = (link == 0 -> bucket[b] : next[link - 1]));
       if
       :: found == s + 1 ->
          DO(if
             :: link == 0 -> bucket[b] = next[s]
             :: else -> next[link - 1] = next[s]
             fi);
          break
       :: found == 0 -> break
       :: else -> link = found
       fi
    od;
#if MUTATION == 5
skip_unlink:
#endif
    atomic { link = 0; found = 0 }
}

inline free_slot(s)
{
#if MUTATION == 6
    if
    :: fresh == s -> skip
#else
    if
    :: free == s + 1 || fresh == s -> skip
#endif
    :: else ->
       DO(nextfree[s] = free);
       DO(free = s + 1)
    fi
}

inline end_change()
{
    if
    :: change & 1 -> DO(change++)
    :: else
    fi;
    DO(intent = NONE)
}

inline begin_change(what, b, s)
{
    DO(intent_count = count; intent_bucket = b);
    DO(intent = what; intent_slot = s);
#if MUTATION == 2
    if
    :: what == REMOVE -> DO(change++)
    :: else -> skip
    fi
#else
    DO(change++)
#endif
}

inline insert(k)
{
    slot = (free != 0 -> free - 1 : fresh);
    if
    :: slot < SLOTS && where[k] == 0 ->
       begin_change(INSERT, BUCKET(k), slot);
       if
       :: free == slot + 1 -> DO(free = nextfree[slot])
       :: else -> DO(fresh = slot + 1)
       fi;
#if MUTATION == 7
       DO(next[slot] = bucket[BUCKET(k)]);
       DO(bucket[BUCKET(k)] = slot + 1);
       DO(generation[slot] = generation[slot] | 1);
       DO(key[slot] = k; where[k] = slot + 1; was = was || looking == k; places = places | (looking == k -> slot + 1 : 0));
#else
       DO(key[slot] = k);
       DO(next[slot] = bucket[BUCKET(k)]);
       DO(bucket[BUCKET(k)] = slot + 1);
       DO(generation[slot] = generation[slot] | 1; where[k] = slot + 1; was = was || looking == k;
          places = places | (looking == k -> slot + 1 : 0));
#endif
       DO(count = intent_count + 1);
       end_change()
    :: else
    fi
}

inline remove(k)
{
    if
    :: where[k] != 0 ->
       slot = where[k] - 1;
       begin_change(REMOVE, BUCKET(k), slot);
       DO(generation[slot] = generation[slot] + 1; where[k] = 0; was_not = was_not || looking == k);
       unlink_slot(BUCKET(k), slot);
       DO(count = intent_count - 1);
#if MUTATION == 1
       DO(next[slot] = 0);
#endif
       free_slot(slot);
       end_change()
    :: else
    fi
}

inline recover()
{
    recovering = true;
    slot = intent_slot;
    if
    :: intent == NONE
    :: intent == INSERT && LIVE(slot) -> DO(count = intent_count + 1); end_change()
    :: intent == INSERT && !LIVE(slot) -> unlink_slot(intent_bucket, slot); free_slot(slot); end_change()
    :: intent == REMOVE && LIVE(slot) -> end_change()
    :: intent == REMOVE && !LIVE(slot) ->
       unlink_slot(intent_bucket, slot); DO(count = intent_count - 1); free_slot(slot); end_change()
    fi;
    recovering = false
}

/* One after the other, as the claim sees to: each recovers, then does some of its deeds. */
proctype writer(byte me; bool mortal)
{
    byte slot, link, found, deeds;
    bool recovering;
    (me == 1 || dead[me - 1] || done[me - 1]);
    recover();
    do
    :: deeds < 3 - me ->
       deeds++;
       if
       :: skip -> insert(1)
       :: skip -> insert(2)
       :: skip -> insert(3)
       :: skip -> remove(1)
       :: skip -> remove(2)
       :: skip -> remove(3)
       fi
    :: else -> break
    od;
    done[me] = true;
gone:
    atomic { slot = 0; link = 0; found = 0; deeds = 0 }
}

proctype reader()
{
    byte start, link, steps, g, at;
    bool same, found;
    atomic {
        if
        :: looking = 1
        :: looking = 2
        :: looking = 3
        fi;
        was = where[looking] != 0;
        was_not = where[looking] == 0;
        places = where[looking]
    }
again:
    start = change;
    link = bucket[BUCKET(looking)];
    steps = 0;
    do
    :: link != 0 && steps < SLOTS && !found ->
       at = link - 1;
       steps++;
       g = generation[at];
       if
       :: g & 1 ->
          same = key[at] == looking;
          if
          :: same ->
             atomic {
                 if
                 :: generation[at] == g || MUTATION == 4 -> found = true
                 :: else
                 fi
             }
          :: else
          fi
       :: else
       fi;
       if
       :: !found -> link = next[at]
       :: else
       fi
    :: else -> break
    od;
    if
    :: found -> assert(places & (at + 1))
    :: else ->
       if
       :: change != start && MUTATION != 3 -> goto again
       :: else -> assert(was_not)
       fi
    fi;
    atomic { start = 0; link = 0; steps = 0; g = 0; at = 0; same = false; found = false; looking = 0 }
}

/* When all have finished: every slot in exactly one list. */
active proctype judge()
{
    byte link, steps, lists, live, i;
    done[3];
    atomic {
        i = 0;
        do
        :: i < 2 ->
           link = bucket[i];
           do
           :: link != 0 && steps <= SLOTS -> assert(LIVE(link - 1)); live++; steps++; link = next[link - 1]
           :: else -> break
           od;
           i++
        :: else -> break
        od;
        assert(steps <= SLOTS && live == count);
        lists = live;
        link = free;
        do
        :: link != 0 && lists <= SLOTS -> assert(!LIVE(link - 1)); lists++; link = nextfree[link - 1]
        :: else -> break
        od;
        assert(lists == fresh && intent == NONE && !(change & 1));
        assert(count == (where[1] != 0) + (where[2] != 0) + (where[3] != 0))
    }
}

init
{
    atomic {
        key[0] = 1; generation[0] = 1; where[1] = 1;
        key[1] = 2; generation[1] = 1; where[2] = 2; next[1] = 1;
        bucket[0] = 2; count = 2; fresh = 2;
        run writer(1, true);
        run writer(2, true);
        run writer(3, false);
        run reader()
    }
}
