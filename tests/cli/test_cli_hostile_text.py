"""Whatever names, values, addresses and messages hold, what is printed steers no terminal and is what it says it is."""

import io
import json
import re
import sys
import unicodedata

import pytest
from every_command import make, ways

import corestate
from corestate.cli import main
from corestate.cli.output import Members, brief, clean, emit, escaped

HOSTILE = "a\x9b31m\u202e\x1b]0;p\x07é漢\u2066\x7f\u2028\x85\r"
VALUE = "v\x1b[2J\x1b[H\x9d0;x\x07\u202e\U000e0041\r\x00\u200b<[red]>"
ALONE = "half \ud83d of a pair"
STEERS = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.fixture
def talk(monkeypatch):
    """Run a command in this process with streams of an encoding; gives code, output and complaints as text."""

    def run(encoding, command, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                main([command, *arguments])
            for stream in streams:
                stream.flush()
        out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
        return ended.value.code or 0, out, err

    return run


def hostile_region(tmp_path):
    state = make(str(tmp_path / f"{HOSTILE}.state"), HOSTILE, VALUE)
    state.scope("user", HOSTILE)["alone"] = ALONE
    return state


def assert_harmless(text, where):
    wrong = sorted({c for c in text if c != "\n" and unicodedata.category(c) in STEERS})
    assert not wrong, (where, [hex(ord(c)) for c in wrong], text[:300])
    assert "Traceback" not in text, where


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_field_x12_no_command_prints_what_steers_a_terminal(talk, tmp_path, encoding):
    seen = 0
    with hostile_region(tmp_path) as state:
        for command, lists in ways(state.address, tmp_path, HOSTILE, VALUE).items():
            if command == "demo":
                lists = lists[1:]  # the run itself is a test of its own
            for arguments in lists:
                code, out, err = talk(encoding, command, *arguments)
                where = (command, arguments, code, err)
                assert code in (0, 1, 2), where
                assert_harmless(out, where)
                assert_harmless(err, where)
                assert out or err or command in ("delete", "unlink"), where
                if "--json" in arguments and code == 0:
                    parsed = [json.loads(line) for line in out.splitlines()]
                    text = json.dumps(parsed, ensure_ascii=False)
                    assert parsed, where
                    seen += HOSTILE in str(parsed) or json.dumps(HOSTILE, ensure_ascii=False)[1:-1] in text
        _, out, _ = talk(encoding, "keys", state.address, f"user:{HOSTILE}", "--json")
        assert ALONE in [entry["value"] for entry in json.loads(out)]
        out.encode("utf-8", "strict")
    assert seen >= 8, "JSON says the names as they are"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_field_l16_a_value_the_encoding_does_not_have(talk, tmp_path, encoding):
    with make(str(tmp_path / "r.state"), "日本", "値 é") as state:
        code, out, _ = talk(encoding, "get", state.address, "user:日本", "日本")
        assert (code, json.loads(out)) == (0, ["値 é"])
        code, out, _ = talk(encoding, "show", state.address)
        assert ("日本" in out) == (encoding == "utf-8")
        assert code == 0
        code, _, err = talk(encoding, "show", str(tmp_path / "日本"))
        assert code == 1
        assert len(err.splitlines()) == 1


def test_field_x12_also_with_colours(monkeypatch, talk, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with hostile_region(tmp_path) as state:
        for command in ("show", "agents", "locks", "inspect", "health", "tasks", "audit"):
            _, out, _ = talk("utf-8", command, state.address)
            assert "\x1b[" in out, command
            assert_harmless(re.sub(r"\x1b\[[0-9;]*m", "", out), command)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_field_x12_wrong_usage_says_arguments_harmlessly(talk, encoding):
    for arguments in (
        ["show", HOSTILE, HOSTILE],
        [HOSTILE],
        ["show", "x", f"--{HOSTILE}"],
        ["top", "x", "--frames", VALUE],
    ):
        code, out, err = talk(encoding, *arguments)
        assert (code, out) == (2, "")
        assert_harmless(err, arguments)
        assert "Error: " in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "user:x", "k", "[" * 3000],
        ["set", "user:x", "k", "1" * 5000],
        ["set", "user:x", "k", '{"a": 1, "a": 2}'],
        ["set", "user:x", "k", "NaN"],
        ["at", "user:x", "#99999999999999999999999"],
        ["at", "user:x", "#²"],
        ["at", "user:x", "9999-12-31T23:59:59"],
        ["at", "user:x", "0001-01-01T00:00:00"],
        ["audit", "--since", "9999-12-31T23:59:59"],
        ["audit", "--until", "0001-01-01T00:00:00+14:00"],
        ["audit-prune", "--age", "nan"],
        ["tasks", "--requeue", "1" + "0" * 23],
        ["tasks", "--limit", "1" + "0" * 23],
        ["changes", "--since", "1" + "0" * 20],
        ["watch", "--since", "1" + "0" * 20],
        ["top", "--interval", "nan"],
        ["top", "--interval", "inf"],
        ["watch", "--seconds", "nan"],
    ],
)
def test_field_l16_odd_numbers_and_times_are_refused(run, path, arguments):
    with corestate.create(path):
        result = run(arguments[0], path, *arguments[1:])
        assert result.code in (1, 2), result
        assert len([line for line in result.err.splitlines() if line.startswith(("corestate: ", "Error: "))]) == 1


def test_field_l16_a_negative_number_is_a_value(run, path):
    with corestate.create(path) as state:
        for text, value in (("-1", -1), ("-.5", "-.5"), ("-1e3", -1000.0), ("-0.5", -0.5)):
            assert run("set", path, "user:x", "k", text, "--ttl", 60, "--json").code == 0
            assert state.scope("user", "x")["k"] == value
        assert run("set", path, "user:x", "-1", "-2").code == 0
        assert state.scope("user", "x")["-1"] == -2
        assert run("set", path, "user:x", "k", "1", "--ttl", "-5").code == 2
        assert run("set", path, "user:x", "k", "1", "--jsn").code == 2


def test_a_region_that_would_be_gone_at_once_is_refused(run):
    assert run("create", "heap:").code == 1


def test_the_two_functions_everything_goes_through(capsys):
    every = " ".join(
        map(chr, [*range(0x3000), *range(0xD7F0, 0xD801), *range(0xDC00, 0xE010), *range(0xFE00, 0x10100), 0xE0041])
    )
    assert clean(every).isprintable()
    assert json.loads(escaped(json.dumps(every, ensure_ascii=False))) == every
    assert escaped(json.dumps(every, ensure_ascii=False)).isprintable()
    document = {
        every: [every, {"x": Members(iter([(every, iter([1, b"\x00"]))]))}],
        "e": [],
        "f": {},
        "n": float("nan"),
    }
    emit(document)
    assert json.loads(capsys.readouterr().out) == {
        every: [every, {"x": {every: [1, {"base64": "AA=="}]}}],
        "e": [],
        "f": {},
        "n": None,
    }


def test_depth_is_no_matter(capsys):
    deep = value = []
    for _ in range(5000):
        value.append([])
        value = value[0]
    emit(deep)
    assert capsys.readouterr().out == "[" * 5001 + "]" * 5001 + "\n"
    assert brief(deep).startswith("[[[")


def test_brief_looks_at_no_more_than_it_shows():
    taken = []
    assert len(brief((taken.append(i) or i for i in range(10_000)), 60)) == 60
    assert len(taken) < 40
    assert len(brief("x" * 10_000_000, 60)) == 60
