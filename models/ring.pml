/*
 * ring.pml: the broadcast log (csrc/src/ring.c), with overrun, dead producers and producers who stand still.
 *
 *   producer  take_position, csi_ring_draft, csi_ring_commit, csi_ring_give_back, csi_publish
 *   reader    look, pass_over, skip_lost, csi_ring_stood, cs_events_drain
 *   sweeper   csi_ring_sweep and csi_ring_release, then the seat is free (csi_unswept is false)
 *   killer    one producer dies between any two of its steps
 *
 * Who stands still is any producer while others go on. Time is left out: a reader passes over whom it likes.
 * Proved: what a reader accepts is the whole event of its position; a position whose producer was told "published" is
 * received or lost, never a hole, and each position is accounted for once.
 * A slot's word (lap, owner, state) is read and written as one, as in the core. Data are two words.
 * What a dead producer's draft promises is in promise.pml; here drafts of the dead become holes.
 *
 * MUTATION 1  a slot is taken from a producer who stands still
 *          2  a reader does not look again after its copy
 *          3  a commit does not notice that it was passed over
 *          4  an overrun reader takes what was overwritten for a hole
 *          5  a reader passes over without saying so in the slot
 *          6  a reader looks at the head after the slot
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define SLOTS 2
#ifndef LAST
#define LAST 4 /* positions there can be */
#endif

#define FREE 0
#define CLAIMED 1
#define COMMITTED 2
#define HOLE 3

byte head;
byte lap[SLOTS], own[SLOTS], st[SLOTS];
byte low[SLOTS], high[SLOTS];
bool dead[3], swept[3];
byte told[LAST]; /* ghost: what was published at this position */
byte busy;       /* producers at work */

#define LAP(p) ((p) / SLOTS + 1)
#define DO(step) atomic { if :: dead[me] -> goto gone :: else -> step fi }

proctype producer(byte me)
{
    byte n = 1, h, l, o, s, value;
    bool passed, won;
    do
    :: n <= me -> /* one event by the one who may die, two by the other */
       value = me * 8 + n;
take:  atomic { l = 0; o = 0; s = 0; passed = false; won = false };
       DO(h = head);
       if
       :: h >= LAST -> goto gone /* the model ends here */
       :: else
       fi;
       DO(l = lap[h % SLOTS]; o = own[h % SLOTS]; s = st[h % SLOTS]);
       if
       :: l >= LAP(h) ->
          DO(if :: head == h -> head = h + 1 :: else fi);
          goto take
       :: else
       fi;
       if
       :: s == CLAIMED && dead[o] -> /* finish: nothing was promised */
          DO(if
             :: lap[h % SLOTS] == l && own[h % SLOTS] == o && st[h % SLOTS] == s ->
                own[h % SLOTS] = 0; st[h % SLOTS] = HOLE
             :: else
             fi);
          goto take
       :: else
       fi;
       passed = o != 0 && (s == CLAIMED || (s == HOLE && !swept[o]));
#if MUTATION == 1
       passed = false;
#endif
       won = false;
       DO(if
          :: lap[h % SLOTS] == l && own[h % SLOTS] == o && st[h % SLOTS] == s ->
             won = true;
             lap[h % SLOTS] = LAP(h);
             if
             :: passed -> st[h % SLOTS] = HOLE
             :: else -> own[h % SLOTS] = me; st[h % SLOTS] = CLAIMED
             fi
          :: else
          fi);
       if
       :: won -> DO(if :: head == h -> head = h + 1 :: else fi)
       :: else
       fi;
       if
       :: !won || passed -> goto take
       :: else
       fi;
       atomic { l = 0; o = 0; s = 0; passed = false; won = false };
       DO(low[h % SLOTS] = value);
       DO(high[h % SLOTS] = value);
       DO(
#if MUTATION == 3
          lap[h % SLOTS] = LAP(h); own[h % SLOTS] = me; st[h % SLOTS] = COMMITTED; told[h] = value; won = true
#else
          if
          :: lap[h % SLOTS] == LAP(h) && own[h % SLOTS] == me && st[h % SLOTS] == CLAIMED ->
             st[h % SLOTS] = COMMITTED;
             told[h] = value;
             won = true
          :: else -> won = false
          fi
#endif
       );
       if
       :: won -> atomic { won = false; h = 0; n++ }
       :: else -> /* passed over: give the slot back, publish anew */
          DO(if
             :: st[h % SLOTS] == HOLE && own[h % SLOTS] == me -> own[h % SLOTS] = 0
             :: else
             fi);
          goto take
       fi
    :: else -> break
    od;
gone:
    busy--
}

active proctype sweeper()
{
    byte i;
end:
    do
    :: atomic { dead[1] && !swept[1] -> i = 0 };
       do
       :: i < SLOTS ->
          atomic {
              if
              :: own[i] == 1 && (st[i] == CLAIMED || st[i] == HOLE) -> own[i] = 0; st[i] = HOLE
              :: else
              fi;
              i++
          }
       :: else -> break
       od;
       swept[1] = true
    od
}

active proctype killer()
{
    if
    :: dead[1] = true
    :: skip
    fi
}

active proctype reader()
{
    byte next, received, lost, holes, l, o, s, a, b, h;
    do
    :: next < LAST ->
#if MUTATION != 6
       h = head;
#endif
       atomic { l = lap[next % SLOTS]; o = own[next % SLOTS]; s = st[next % SLOTS] };
#if MUTATION == 6
       h = head;
#endif
       if
       :: l > LAP(next) ->
#if MUTATION == 4
          assert(told[next] == 0);
          holes++;
          next++
#else
          h = head;
          assert(h > next); /* or the word would be of no producer's, and nothing is lost yet */
          if
          :: h > SLOTS && h - SLOTS > next -> lost = lost + (h - SLOTS - next); next = h - SLOTS
          :: else -> lost++; next++
          fi
#endif
       :: l < LAP(next) ->
          assert(next >= h); /* what is below the head has been taken */
          if
          :: atomic { busy == 0 && head <= next && lap[next % SLOTS] < LAP(next) -> break }
          :: else -> skip /* look again */
          fi
       :: l == LAP(next) && s == COMMITTED ->
          a = low[next % SLOTS];
          b = high[next % SLOTS];
          atomic {
              if
#if MUTATION == 2
              :: true ->
#else
              :: lap[next % SLOTS] == l && own[next % SLOTS] == o && st[next % SLOTS] == s ->
#endif
                 assert(a == b && a == told[next]);
                 received++;
                 next++
              :: else
              fi
          }
       :: l == LAP(next) && s == CLAIMED ->
          if
          :: !dead[o] -> skip /* wait */
          :: atomic {
                 true ->
#if MUTATION != 5
                 if
                 :: lap[next % SLOTS] == l && own[next % SLOTS] == o && st[next % SLOTS] == s ->
                    st[next % SLOTS] = HOLE;
                    if
                    :: dead[o] -> own[next % SLOTS] = 0
                    :: else
                    fi;
#endif
                    holes++;
                    next++
#if MUTATION != 5
                 :: else
                 fi
#endif
             }
          fi
       :: l == LAP(next) && s == HOLE ->
          assert(told[next] == 0);
          holes++;
          next++
       fi;
       atomic { assert(received + lost + holes == next); l = 0; o = 0; s = 0; a = 0; b = 0; h = 0 }
    :: else -> break
    od;
    assert(received + lost + holes == next);
    /* And none of what it took for a hole was published after all. */
    (busy == 0);
    atomic {
        a = 0;
        b = 0;
        do
        :: a < next -> b = b + (told[a] != 0); a++
        :: else -> break
        od;
        assert(b <= received + lost)
    }
}

init
{
    atomic {
        busy = 2;
        run producer(1);
        run producer(2)
    }
}
