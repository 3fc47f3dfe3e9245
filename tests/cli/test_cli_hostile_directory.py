"""What another user has put into the directory somebody stands in is never run."""

import ast
import sys
from pathlib import Path

import pytest
from every_command import command_line, make, run, ways

import corestate
from corestate import _children

PLANTED = (
    *("msgpack", "numpy", "click", "rich", "cffi", "_cffi_backend", "posix_ipc", "serial", "corestate"),
    *("json", "sqlite3", "psutil", "runpy_extra", "typing_extensions", "encodings_extra", "sitecustomize"),
)
"""Modules the package, what it stands on, or the interpreter itself would import."""
SOURCE = Path(corestate.__file__).parent


@pytest.fixture
def trap(tmp_path):
    """A directory full of another user's modules, each of which tells on whoever imports it."""
    directory = tmp_path / "shared"
    directory.mkdir()
    for name in PLANTED:
        text = f"with open({str(tmp_path / 'caught')!r}, 'a') as file: file.write({name!r} + '\\n')\n"
        (directory / f"{name}.py").write_text(text)
    yield directory
    assert not (tmp_path / "caught").exists(), (tmp_path / "caught").read_text()


def test_field_x1_no_command_runs_what_lies_in_the_current_directory(trap, tmp_path):
    with make(str(tmp_path / "r.state")) as state:
        for command, lists in ways(state.address, tmp_path).items():
            done = run(command_line(command, *lists[0]), trap)
            assert b"Traceback" not in done.stderr, (command, done.stderr)
            assert not (tmp_path / "caught").exists(), (command, (tmp_path / "caught").read_text())
            if command in ("doctor", "demo"):
                assert done.returncode == 0, done.stdout + done.stderr


def test_field_x1_python_m_corestate_imports_nothing_else_from_there(trap, tmp_path):
    (trap / "corestate.py").unlink()  # Python itself looks for it here first; nothing of ours can help
    for module in ("corestate", "corestate.cli"):
        done = run([sys.executable, "-m", module, "doctor"], trap)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("safe_path", [True, False] if sys.version_info >= (3, 11) else [False])
def test_field_x1_a_child_has_this_interpreters_path_and_not_the_directory(trap, tmp_path, monkeypatch, safe_path):
    monkeypatch.chdir(trap)
    monkeypatch.setattr(_children, "_SAFE_PATH", safe_path)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    program = "import sys, msgpack, corestate; print(sys.argv[1:], msgpack.__file__)"
    done = _children.run(program, "one", "-m", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['one', '-m'] ")
    assert str(trap) not in done.stdout
    process = _children.start("corestate.demo.roles", "--help", stdout=_children.PIPE)
    assert b"One role of the demonstration" in process.communicate(timeout=60)[0]


def test_field_x1_no_other_module_starts_a_process():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        if path.name == "_children.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] in ("subprocess", "multiprocessing", "runpy", "pty") for name in names):
                wrong.append(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.Attribute) and node.attr in ("executable", "execv", "spawnv", "system", "popen"):
                module = node.value.id if isinstance(node.value, ast.Name) else ""
                if (module, node.attr) == ("sys", "executable") or module == "os":
                    wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
