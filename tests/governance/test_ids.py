"""B1: typed ids, their errors with code and suggestion."""

import copy
import pickle
import uuid

import pytest

from corestate import ids
from corestate.errors import InvalidError, WrongTypeError
from corestate.ids import AgentId, IdError, IdErrorCode, LeaseId, TypedId

UUID = "0b8b65b6-3f1c-4d1e-9a53-1f6c2f0a9d11"
KINDS = {
    "AgentId": "agent_",
    "ProviderId": "ip_",
    "ProjectId": "proj_",
    "ApiTokenId": "at_",
    "BudgetRequestId": "breq_",
    "LeaseId": "lease_",
    "RequestId": "req_",
    "ControlId": "ic_",
}


@pytest.mark.parametrize(("name", "prefix"), KINDS.items())
def test_each_kind_generates_and_parses(name, prefix):
    kind = getattr(ids, name)
    made = kind.generate()
    assert made.startswith(prefix)
    assert made == made.lower()
    assert uuid.UUID(made[len(prefix) :]) == made.uuid
    assert kind.parse(str(made)) == made
    assert kind(prefix + UUID) == prefix + UUID
    assert kind.parse_flexible(f"{prefix[:-1]}-{UUID.upper()} ") == prefix + UUID
    assert kind.generate() != made


def test_an_id_is_the_text_it_is():
    made = AgentId(f"agent_{UUID}")
    assert isinstance(made, str)
    assert {made: 1}[f"agent_{UUID}"] == 1
    assert repr(made) == f"AgentId('agent_{UUID}')"
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert again == made
        assert type(again) is AgentId


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("", "EMPTY_ID", "AgentId.generate()"),
        ("robot", "INVALID_PREFIX", "begin it with 'agent_'"),
        ("lease_" + UUID, "INVALID_PREFIX", "looks like a LeaseId"),
        (UUID, "INVALID_PREFIX", "agent_" + UUID),
        ("agent-" + UUID, "INVALID_PREFIX", "parse_flexible"),
        ("AGENT_" + UUID, "INVALID_PREFIX", "begin it with 'agent_'"),
        ("agent_", "MISSING_UUID", "put a UUID"),
        ("agent_" + UUID.upper(), "INVALID_UUID", "agent_" + UUID),
        ("agent_" + UUID[:-1], "INVALID_UUID", "8-4-4-4-12"),
        ("agent_" + UUID + "\n", "INVALID_UUID", "8-4-4-4-12"),
        ("agent_" + UUID.replace("-", ""), "INVALID_UUID", "8-4-4-4-12"),
        ("agent_\u0660" + UUID[1:], "INVALID_UUID", "8-4-4-4-12"),
    ],
)
def test_what_is_no_id_says_why_and_what_to_write(text, code, suggestion):
    with pytest.raises(IdError) as refused:
        AgentId.parse(text)
    assert refused.value.code is IdErrorCode(code)
    assert suggestion in refused.value.suggestion
    assert code in str(refused.value)
    assert isinstance(refused.value, InvalidError)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("text", ["", "agent-", "agent_", "agent+" + UUID, "agent-" + UUID[1:]])
def test_flexible_is_not_everything(text):
    with pytest.raises(IdError):
        AgentId.parse_flexible(text)


def test_a_number_is_no_id():
    with pytest.raises(WrongTypeError):
        AgentId.parse(7)
    with pytest.raises(WrongTypeError):
        LeaseId.parse_flexible(None)


def test_prefixes_are_of_one_kind_each():
    prefixes = [kind.prefix for kind in TypedId.__subclasses__()]
    assert sorted(prefixes) == sorted(KINDS.values())
