"""The binding has everything the headers have, from the headers alone."""

import ast
import inspect
import pickle
import re
from enum import IntEnum
from pathlib import Path

import pytest

import corestate
from corestate import _binding, enums, errors
from corestate._binding import HotEngine, check, error, ffi, lib
from corestate._reserved import COUNTERS, LOCKS, ROOM
from corestate.config import CORE_FIELDS, RegionConfig

ROOT = Path(__file__).parents[2]
HEADERS = ROOT / "csrc/include/corestate"


def declared(pattern: str) -> list[str]:
    """What a pattern finds in the public headers, comments left out."""
    texts = [re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL) for path in sorted(HEADERS.glob("*.h"))]
    return [name for text in texts for name in re.findall(pattern, text)]


def test_every_public_function_is_bound():
    names = declared(r"CS_API [\w ]+[ *](cs_\w+)\(")
    assert len(names) > 80
    assert len(set(names)) == len(names)
    for name in names:
        assert callable(getattr(lib, name)), name


def test_every_constant_is_bound():
    names = declared(r"\b(CS_[A-Z0-9_]+)\b")
    macros = {"CS_API", *declared(r"#define (CS_\w+)\(")}
    assert len(set(names)) > 100
    for name in set(names) - macros:
        assert isinstance(getattr(lib, name), int), name


def test_the_port_is_not_bound():
    assert not [name for name in dir(lib) if name.startswith("cs_port")]


def test_structures_are_the_compilers():
    """In API mode the C compiler checks each; here the sizes of two that the documentation gives."""
    assert ffi.sizeof("cs_agent_row") == 8 * 3 + 4 * 4 + 64
    assert ffi.sizeof("cs_event") == 32


def test_nothing_but_the_binding_imports_the_compiled_modules():
    found = set()
    for path in (ROOT / "src/corestate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if {"corestate._core", "corestate._hot", "cffi"} & set(modules):
                found.add(path.name)
    assert found == {"_binding.py", "core_build.py"}


# -- errors ------------------------------------------------------------------------------------

CLASSES = [getattr(errors, name) for name in errors.__all__]
BUILTIN = (ValueError, KeyError, OverflowError, RuntimeError, TypeError, OSError)


def test_every_code_has_an_error_of_its_own():
    codes = {name: getattr(lib, name) for name in dir(lib) if name.startswith("CS_E_")}
    named = {kind.result: kind for kind in CLASSES if "result" in vars(kind) and kind.result is not None}
    assert set(named) == set(codes)
    for name, code in codes.items():
        assert type(error(code)) is named[name]
        assert _binding.strerror(code)


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if kind is not errors.CorestateError], ids=lambda k: k.__name__
)
def test_every_error_is_of_the_tree_and_of_a_builtin_kind(kind):
    assert issubclass(kind, errors.CorestateError)
    assert issubclass(kind, BUILTIN)
    assert getattr(corestate, kind.__name__) is kind
    problem = kind.because("doing it")
    assert re.fullmatch(r"doing it: expected .+, found .+; .+", str(problem))
    again = pickle.loads(pickle.dumps(problem))
    assert type(again) is kind
    assert str(again) == str(problem)
    assert kind.__doc__


def test_messages_read_as_sentences():
    assert str(errors.NotFoundError.because("counter 'x'")) == (
        "counter 'x': expected a name or index that exists, found none such; check the name, or create it first"
    )
    assert str(error(lib.CS_E_FULL, expected="a", found="b", advice="c")) == "expected a, found b; c"
    assert str(errors.RangeError("as it is")) == "as it is"
    assert str(errors.RangeError()) == "RangeError"


def test_an_unknown_code_is_an_error_too():
    assert type(error(-9999, "x")) is errors.CorestateError
    assert "-9999" in str(error(-9999, "x"))


def test_check_lets_success_through():
    assert check(0) == 0
    assert check(7) == 7
    assert check(lib.CS_INHERITED) == 1
    with pytest.raises(errors.StaleError, match="agent 'x': expected"):
        check(lib.CS_E_STALE, "agent 'x'")


# -- enums -------------------------------------------------------------------------------------

PREFIXES = {
    enums.BurstEngineState: ("CS_BURST_", {"CS_BURST_COUNT", "CS_BURST_FREQUENCY"}),
    enums.GenomeState: ("CS_GENOME_", {"CS_GENOME_TIMESTAMP"}),
    enums.ConnectomeState: ("CS_CONNECTOME_", set()),
    enums.ServiceState: ("CS_SERVICE_", set()),
    enums.AgentType: ("CS_AGENT_", {f"CS_AGENT_{status.name}" for status in enums.AgentStatus}),
    enums.AgentStatus: ("CS_AGENT_", {f"CS_AGENT_{kind.name}" for kind in enums.AgentType}),
    enums.DeregisterReason: ("CS_REASON_", set()),
    enums.Verdict: ("CS_HEALTH_", set()),
}
COUNTS = {"CS_AGENT_TYPES", "CS_AGENT_STATUSES", "CS_AGENT_COUNT"}


@pytest.mark.parametrize("kind", PREFIXES, ids=lambda kind: kind.__name__)
def test_enums_have_every_member_under_the_cores_names_and_numbers(kind):
    prefix, others = PREFIXES[kind]
    members = {name: getattr(lib, name) for name in dir(lib) if name.startswith(prefix)}
    expected = {name.removeprefix(prefix): n for name, n in members.items() if name not in others | COUNTS}
    assert {member.name: int(member) for member in kind} == expected
    assert sorted(kind) == list(range(len(kind)))


def test_no_enum_is_missing():
    assert {kind for _, kind in inspect.getmembers(enums, inspect.isclass) if issubclass(kind, IntEnum)} - {
        IntEnum
    } == set(PREFIXES)


# -- configuration -----------------------------------------------------------------------------


def test_the_configuration_has_the_cores_fields_and_defaults():
    default = ffi.new("cs_config *")
    lib.cs_config_default(default)
    assert set(CORE_FIELDS) == {name for name, _ in ffi.typeof("cs_config").fields}
    config = RegionConfig()
    for name in CORE_FIELDS:
        assert getattr(config, name) == getattr(default, name)
    for name, more in ROOM.items():  # of the durable parts
        setattr(default, name, getattr(default, name) + more)
    assert config.size == lib.cs_region_size(default)
    stated = {"agents": 1024, "areas": 256, "counters": 256, "gauges": 64, "locks": 256, "events": 1024}
    stated |= {"event_bytes": 128, "event_kinds": 64, "participants": 256, "agent_details_bytes": 256}
    stated |= {"permissions": 0o600, "fcl_window": 20}
    assert {name: getattr(config, name) for name in stated} == stated


def within(name: str) -> list[int]:
    """Values at the edges of a field's bounds, by the text that errors show."""
    from corestate.config import _BOUNDS

    text = _BOUNDS[name]
    if " to " in text:
        low, high = (int(number, 0) for number in re.findall(r"0o\d+|\d+", text)[-2:])
        return [low, high]
    return [int(number) for number in re.findall(r"\d+", text)]


@pytest.mark.parametrize("name", [*CORE_FIELDS, "permissions"])
def test_bounds_are_as_the_errors_say(name):
    from corestate.config import _BOUNDS

    extra = {"values": 8} if name == "value_bytes" else {}
    for value in within(name):
        small = {"agents": 1, "events": 2, **extra, name: value}
        assert getattr(RegionConfig(**small), name) == value
    outside = [min(within(name)) - 1, max(within(name)) + 1]
    if "multiple of 8" in _BOUNDS[name]:
        outside.append(max(within(name)) - 4)
    if "power of two" in _BOUNDS[name]:
        outside += [3, 1000]
    for value in outside:
        if value > 0xFFFFFFFF and name == "fcl_window":
            value = 1 << 32
        with pytest.raises(errors.RangeError) as caught:
            RegionConfig(**{"events": 2, **extra, name: value})
        assert f"RegionConfig({name}=...)" in str(caught.value)
        assert _BOUNDS[name] in str(caught.value)
        assert f"found {value};" in str(caught.value)
        assert isinstance(caught.value, (ValueError, OverflowError))


@pytest.mark.parametrize("wrong", ["5", 5.0, None, True, [5]])
def test_a_field_that_is_no_int(wrong):
    with pytest.raises(errors.InvalidError, match=r"RegionConfig\(agents=\.\.\.\): expected an int"):
        RegionConfig(agents=wrong)


def test_a_configuration_cannot_change():
    with pytest.raises(AttributeError):
        RegionConfig().agents = 5
    assert RegionConfig() == RegionConfig()
    assert hash(RegionConfig()) == hash(RegionConfig())
    assert RegionConfig(agents=5).differences(RegionConfig(locks=7)) == {"agents": (5, 1024), "locks": (256, 7)}


# -- the stub ----------------------------------------------------------------------------------


def test_the_stub_names_what_the_hot_types_have():
    stub = ast.parse((ROOT / "src/corestate/_hot.pyi").read_text())
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            names = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            names |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
            real = {name for name in vars(getattr(_binding, node.name)) if not name.startswith("_")}
            assert names - {"__new__"} == real, node.name


def test_the_engine_has_the_cores_fields_under_their_names():
    core = {_binding.text(lib.cs_engine_field_name(field)) for field in range(lib.CS_ENGINE_FIELDS)} - {""}
    core |= {_binding.text(lib.cs_engine_state_name(state)) for state in range(lib.CS_STATES)}
    assert {name for name in vars(HotEngine) if not name.startswith("_")} == core | {"add"}
    assert len(core) == 22 + 7


def test_javascript_leaves_out_the_same_names():
    source = (ROOT / "wasm/src/reserved.js").read_text()
    mark = re.search(r'MARK = ("[^"]+")', source)[1]
    lists = dict(re.findall(r"export const (\w+) = (\[.*\]);", source.replace("[MARK", f"[{mark}")))
    assert {name: tuple(ast.literal_eval(words)) for name, words in lists.items()} == {
        "COUNTERS": COUNTERS,
        "LOCKS": LOCKS,
    }
