"""What may be called from an interrupt: the manual says it of every function, and the preemption test calls those."""

from __future__ import annotations

import re

from emulator import ROOT

WHOLE_GROUPS = ("cs_mirror_", "cs_budget_", "cs_value_")


def lists():
    """Title of each list of the manual's section to the functions in it."""
    manual = (ROOT / "docs/embedded.md").read_text(encoding="utf-8")
    section = manual.split("## Interrupts")[1].split("## Time")[0]
    found = re.findall(r"^- \*\*(.*?)\*\*\n(.*?)\n\n", section, re.MULTILINE | re.DOTALL)
    return {
        title: set(re.findall(r"`(cs_\w+[a-z0-9])`", text)) - {"cs_port_enter", "cs_port_leave"}
        for title, text in found
    }


def public():
    """Every function of the public headers but those of groups the manual names as one."""
    headers = sorted((ROOT / "csrc/include/corestate").glob("*.h"))
    names = {
        name
        for header in headers
        for name in re.findall(r"^CS_API [^;]*?\b(cs_\w+)\(", header.read_text(encoding="utf-8"), re.MULTILINE)
    }
    return {name for name in names if not name.startswith(WHOLE_GROUPS)}


def test_the_manual_says_it_of_every_function_once():
    found = lists()
    assert len(found) == 4
    named = [name for names in found.values() for name in names]
    assert sorted(named) == sorted(set(named))
    assert set(named) == public()


def test_the_preemption_test_calls_what_may_be_called():
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "embedded/tests").glob("preempt*.c")))
    called = set(re.findall(r"\b(cs_\w+)\(", sources))
    *may, never = lists().values()
    assert set().union(*may) - called == set()
    assert len(never) > 10
