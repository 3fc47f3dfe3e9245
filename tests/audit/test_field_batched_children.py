"""Batched rows of children that end without the interpreter's own end."""

import multiprocessing
import subprocess
import sys
import textwrap

import pytest

import corestate


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork")
@pytest.mark.parametrize(
    ("method", "opened"),  # only fork has what was opened before
    [("fork", "before"), ("fork", "within"), ("forkserver", "within"), ("spawn", "within")],
)
def test_field_v5_a_child_of_multiprocessing_that_ends_loses_no_batched_row(path, run_file, method, opened):
    run_file(
        f"""
        import multiprocessing, sys
        import corestate

        def work(path):
            state = STATE or corestate.open(path, durability="batched")
            for n in range(100):
                state.audit.log("child", "T", n)
            global KEPT
            KEPT = state

        STATE = None
        if __name__ == "__main__":
            corestate.open(sys.argv[1]).close()
            if {opened!r} == "before":
                STATE = corestate.open(sys.argv[1], durability="batched")
                STATE.audit.log("parent", "T")
            child = multiprocessing.get_context({method!r}).Process(target=work, args=(sys.argv[1],))
            child.start()
            child.join()
            assert child.exitcode == 0
        """,
        path,
    )
    with corestate.open(path) as state:
        state.audit.log("after", "T")
        assert len(state.audit.query("child")) == 100
        assert state.audit.verify()


@pytest.fixture
def run_file(tmp_path):
    """Runs a source as a file, which spawn can import."""

    def run(source, *arguments):
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(source))
        done = subprocess.run(
            [sys.executable, str(file), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    return run
