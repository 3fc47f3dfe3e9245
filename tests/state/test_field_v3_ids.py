"""V3: a participant has one id, in events, locks, agents and lists, however often its slot was used."""

import corestate


def test_field_v3_a_participant_has_one_id_after_1100_uses_of_its_slot(path):
    with corestate.create(path) as state:
        for _ in range(1100):
            corestate.attach(path).close()
        with corestate.attach(path) as other, state.events.subscribe(["said", "lock_inherited"]) as events:
            me = other.region.participant
            assert me in {one.id for one in state.participants() if one.alive}
            other.events.publish("said")
            assert events.get(timeout=10).source == me
            assert other.agents.register("a", corestate.AgentType.MOTOR).participant == me
            assert state.agents["a"].participant == me
            lock = other.locks["L"]
            lock.acquire()
            assert state.locks["L"].info().holder == me
            holder = state.locks["L"].holder
            assert (holder.id, holder.alive, holder.pid > 0) == (me, True, True)
            assert "held by process 0" not in repr(state.locks["L"])
            other.close()
            assert state.locks["L"].acquire(timeout=10)
            told = events.get(timeout=10)
            assert (told.source, told.data["dead"], told.data["taker"]) == (
                state.region.participant,
                me,
                state.region.participant,
            )
