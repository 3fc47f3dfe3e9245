"""P8: a sub-interpreter is refused where it imports the package, and the first one never notices."""

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform in ("emscripten", "win32"), reason="looks at participants of a file")

IN_ANOTHER = """
import os, sys, corestate
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
state = corestate.create(sys.argv[1])
reader, writer = os.pipe()
source = f'''
import os, sys
sys.path[:0] = {sys.path!r}
try:
    import corestate
    corestate.open({sys.argv[1]!r})
    said = "opened"
except ImportError as problem:
    said = f"refused: {{problem}}"
os.write({writer}, said.encode())
'''
for _ in range(3):
    another = interpreters.create()
    problem = interpreters.run_string(another, source)
    if problem:
        os.write(writer, f"refused: {problem}".encode())
    print(os.read(reader, 1000).decode(), flush=True)
    interpreters.destroy(another)
print(state.counters["c"].add(), len(state.participants()))
if os.fork() == 0:
    state.counters["c"].add()
    os._exit(0)
os.wait()
print(state.counters["c"].value)
"""


def test_p8_a_sub_interpreter_is_refused_and_told_why(path, child):
    out, complained = child(IN_ANOTHER, path).finish()
    lines = out.splitlines()
    assert complained == ""
    assert [line.split(":")[0] for line in lines[:3]] == ["refused"] * 3
    if sys.version_info < (3, 12):  # from then on the interpreter itself refuses, in its own words
        assert "expected the main interpreter, found a sub-interpreter" in lines[0]
    assert lines[3:] == ["1 1", "2"]
