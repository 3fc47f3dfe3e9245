"""Every work with every peer, tiny: that each one can do what it is timed for, and that the results are complete."""

import pytest

from bench import roles
from bench.peers import FILES, Peer, load
from bench.tables import comparisons
from bench.tables import works as by_work

pytestmark = pytest.mark.timeout(700)

PEERS = {name: load(name) for name in FILES}
ROLES = {
    "counter_read": roles.Counter,
    "record_read": roles.Record,
    "lookup": roles.Directory,
    "register": roles.Directory,
    "list": roles.Directory,
    "memory": roles.Directory,
    "event_latency": roles.Channel,
    "event_rate": roles.Channel,
    "lock": roles.Mutex,
    "open": roles.Attach,
    "scope_get": roles.Store,
    "scope_set": roles.Store,
    "audit_append": roles.Log,
    "task_push": roles.Tasks,
    "task_pop": roles.Tasks,
    "recovery": roles.Role,
}


@pytest.mark.parametrize("name", FILES)
def test_peer_is_here(name):
    if isinstance(PEERS[name], str):
        pytest.skip(PEERS[name])


def test_nothing_failed_and_nobody_is_left_out(tiny):
    gone = [one for one in tiny.missing if not isinstance(PEERS.get(one["name"]), str)]
    assert not gone
    here = {name for name, peer in PEERS.items() if isinstance(peer, Peer)}
    assert {one["name"] for one in tiny.subjects} == here
    assert all(one["version"] and one["setup"] for one in tiny.subjects)


@pytest.mark.parametrize("work", ROLES)
def test_everybody_who_can_do_it_did(tiny, work):
    wanted = {name for name, peer in PEERS.items() if isinstance(peer, Peer) and ROLES[work] in peer.roles}
    for parameters, subjects in comparisons(by_work(tiny)[work]).items():
        if ROLES[work] is not roles.Role:
            assert set(subjects) == wanted, parameters
        for row in subjects.values():
            assert row.low <= row.median <= row.high
            assert row.runs >= 1
            assert row.ratio is not None


def test_those_who_add_added_all(tiny):
    """That each addition arrived is checked by the work itself; what is seen here is who took part."""
    rows = by_work(tiny)["counter_add"]
    assert {row.subject for row in rows} >= {"corestate", "multiprocessing.Value"}
    assert "iceoryx2" not in {row.subject for row in rows}  # a blackboard has one writer


def test_a_killed_process_leaves_corestates_lock_to_the_next(tiny):
    rows = {row.subject: row for row in by_work(tiny)["recovery"] if row.parameters["of"].startswith("the lock")}
    assert not rows["corestate"].note
    assert rows["multiprocessing.Lock"].note.startswith("never")


def test_what_grows_is_measured_at_each_size(tiny):
    found = by_work(tiny)
    for work in ("growth_areas", "growth_subscribers", "growth_keys_get", "growth_keys_set", "growth_history_at"):
        assert len(comparisons(found[work])) == 2, work
