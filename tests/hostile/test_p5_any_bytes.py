"""P5, as seen from Python: whatever bytes are in a region, a picture, an event or a value: an answer or an error.

Names and MessagePack are read by Python where everything else is read by the core.
"""

import contextlib
import io
import json
import random
import subprocess
import sys
from pathlib import Path

import looking_everywhere
import msgpack
import pytest
import scribble
from hypothesis import example, given, settings
from hypothesis import strategies as st

import corestate
from corestate import changes, payload, snapshot
from corestate._binding import lib
from corestate.cli.main import _run
from corestate.scopes import encoding

ROUNDS = 500


def test_p5_everything_is_read_and_written_in_scribbled_regions(tmp_path):
    """Each seed another mixture of random, nasty and misplaced words; a crash or a hang would end this process only."""
    done = subprocess.run(
        [sys.executable, scribble.__file__, "0", str(ROUNDS), str(tmp_path / "picture")],
        capture_output=True,
        text=True,
        timeout=115,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    made, answered, slowest, *_ = done.stdout.split("\n")[0].split(",")
    assert int(made) > 15 * ROUNDS
    assert 0.5 * int(made) < int(answered) < int(made)  # both sides of the promise were seen
    assert float(slowest) < 10


SCRIBBLER = """
import random, sys, time
sys.path[:0] = sys.argv[2:3]
import corestate, scribble
state = corestate.attach(sys.argv[1])
memory, dice = state.region.memory, random.Random(int(sys.argv[3]))
pristine = bytes(memory)
print("ready", flush=True)
while True:
    memory[:] = pristine  # healed now and then, so that the others come further than to the door
    for _ in range(3):
        scribble.scribble(memory, dice)
        time.sleep(0.0002)
"""


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_p5_everything_is_read_while_another_process_scribbles(path, child, tmp_path, mode):
    with corestate.create(path, config=looking_everywhere.CONFIG) as state:
        looking_everywhere.furnish(state)
        state.locks["held"].release()
        state.areas["one"].lock.release()
    scribbler = child(SCRIBBLER, path, str(Path(__file__).parent), "7")
    assert scribbler.line() == "ready"
    outcomes = {"answered": 0, "refused": 0}
    for _ in range(40):
        try:
            state = corestate.attach(path, mode=mode)
        except corestate.CorestateError:
            outcomes["refused"] += 1
            continue
        with state:
            for use in looking_everywhere.reading(state, str(tmp_path / "picture")).values():
                with contextlib.suppress(corestate.CorestateError):
                    use()
                    outcomes["answered"] += 1
    assert outcomes["answered"] > 40
    scribbler.kill()


COMMANDS = (
    ["show", "--json"],
    ["health", "--json"],
    ["agents"],
    ["locks"],
    ["inspect"],
    ["inspect", "--json"],
    ["doctor"],
)


def test_p5_no_command_gives_a_traceback_for_a_scribbled_file(tmp_path):
    with corestate.create("heap:", config=looking_everywhere.CONFIG) as state:
        looking_everywhere.furnish(state)
        pristine = bytes(state.region.memory)
    path = tmp_path / "x.state"
    codes = set()
    for seed in range(30):
        dice, content = random.Random(seed), bytearray(pristine)
        scribble.scribble(content, dice)
        if seed % 6 == 5:
            content = content[: dice.randrange(len(content))]
        path.write_bytes(content)
        for command, *options in COMMANDS:
            said, complained = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                code = _run([command, str(path), *options])
            assert code in (0, 1, 2), (seed, command)
            assert "Traceback" not in complained.getvalue()
            if "--json" in options and not code:
                json.loads(said.getvalue())
            codes.add(code)
    assert {0, 1} <= codes


# -- what Python itself decodes ----------------------------------------------------------------

MESSAGES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
).map(msgpack.packb)


@st.composite
def nearly_messages(draw):
    """MessagePack with something wrong: cut, extended, or with bytes changed; or no MessagePack at all."""
    content = bytearray(draw(MESSAGES))
    for _ in range(draw(st.integers(0, 4))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)[: draw(st.integers(0, len(content)))] + draw(st.binary(max_size=4))


BYTES = st.binary(max_size=300) | nearly_messages()
HOSTILE = [
    b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
    b"\xdf\xff\xff\xff\xff\xc0\xc0",
    b"\xc6\xff\xff\xff\xff",
    b"\x91" * 4000,  # nested four thousand deep
    b"\x81\x90\xc0",  # a list as a key
    b"\xd6\xff\xff\xff\xff\xff",  # a time of an extension type
    b"\xc7\x0c\xff" + b"\xff" * 12,  # one long before the first year
    b"\xa4\xed\xa0\x80\x80",  # a surrogate as text
    b"\xc1",
    b"",
    b"[" * 100_000,  # JSON, nested a hundred thousand deep
    b"1" * 10_000,
    b'{"a":NaN,"a":1e999}',
    b"\xff\xfe[\x00",
]


def hostile(test):
    for content in HOSTILE:
        test = example(content)(test)
    return test


@hostile
@given(BYTES)
@settings(max_examples=400, deadline=None)
def test_p5_any_bytes_as_details_of_an_agent_or_data_of_an_event(content):
    found = payload.unpack(content)
    assert isinstance(repr(found), str)
    if isinstance(found, payload.Undecodable):
        assert bytes(found) == content


@hostile
@given(BYTES)
@settings(max_examples=400, deadline=None)
def test_p5_any_bytes_as_an_event_of_the_core(content):
    for kind in range(lib.CS_KIND_USER + 2):
        found = changes.decode(kind, content)
        assert isinstance(found, (changes.Change, payload.Undecodable))
        assert isinstance(f"{found} {found!r}", str)


@hostile
@given(BYTES)
@settings(max_examples=400, deadline=None)
def test_p5_any_bytes_as_a_stored_value(content):
    for tag in (encoding.PLAIN, encoding.JSON, 2, 2**32 - 1):
        try:
            found = encoding.decode(tag, content)
        except corestate.CorruptError:
            continue
        assert isinstance(repr(found)[:10], str)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A picture of a furnished region, and its bytes."""
    path = tmp_path_factory.mktemp("picture") / "picture"
    with corestate.create("heap:", config=looking_everywhere.CONFIG) as state:
        looking_everywhere.furnish(state)
        state.snapshot(path)
    return path, path.read_bytes()


def resealed(content):
    """The same with a checksum that agrees, so that what is behind it is reached. It is the last five bytes."""
    crc = 0xFFFFFFFF
    for byte in content[:-5]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return content[:-4] + (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


def test_p5_a_picture_resealed_as_it_was_is_the_same(picture):
    assert resealed(picture[1]) == picture[1]


@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=120, deadline=None)
def test_p5_any_bytes_in_a_picture(picture, changed, sealed):
    """Also in one whose checksum says that all is well."""
    path, content = picture[0].with_name("changed"), bytearray(picture[1])
    for at, byte in changed:
        content[at % len(content)] = byte
    path.write_bytes(resealed(bytes(content)) if sealed else content)
    try:
        info = snapshot.probe(path)
        with corestate.restore(path, "heap:") as state:
            for use in looking_everywhere.reading(state, str(path.with_name("again"))).values():
                with contextlib.suppress(corestate.CorestateError):
                    use()
    except corestate.CorestateError:
        return
    assert info.bytes == len(content)
