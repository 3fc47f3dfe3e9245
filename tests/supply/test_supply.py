"""What this tree fetches is held to a digest, and what an advisory says of it is decided by somebody."""

import datetime as dt
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import advisories  # noqa: E402
import tree_rules  # noqa: E402
from advisories import Decision, Finding, UnansweredError  # noqa: E402

TODAY = dt.date(2026, 5, 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".github/workflows/a.yml", "      - uses: actions/checkout@v4\n"),
        (".github/workflows/a.yml", "      - uses: pypa/gh-action-pypi-publish@release/v1\n"),
        (".github/workflows/a.yml", "      - uses: actions/checkout@34e114876b0b11c390a56381ad16ebd13914f8d5\n"),
        (".github/workflows/a.yml", "      - run: python -m pip install build && python -m build --sdist\n"),
        ("requirements/base.txt", "click==8.5.1\n"),
        ("requirements/base.txt", "click==8.5.1 \\\n    --hash=sha256:00\nrich==15.0.0\n"),
        ("wasm/run-tests", "npm ci --no-audit --no-fund\n"),
        ("tools/test-wasm", "    npm install --no-save --prefix x node@20.20.0\n"),
        ("wasm/tests/pyodide/prepare.mjs", '// pip wheel\n run("pip wheel msgpack")\n'),
        ("bench/native/run", "cargo build --release\n"),
        ("wasm/package-lock.json", '{"packages": {"": {}, "node_modules/x": {"version": "1.0.0"}}}'),
        ("wasm/package-lock.json", '{"packages": {"node_modules/x": {"integrity": "sha1-xx"}}}'),
    ],
)
def test_field_x14_what_is_held_to_no_digest_is_refused(tmp_path, monkeypatch, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    monkeypatch.setattr(tree_rules, "ROOT", tmp_path)
    assert tree_rules.unpinned([path])


def test_field_x14_this_tree_is_held_to_digests():
    assert tree_rules.unpinned(tree_rules.tree()) == []
    for source in (ROOT / "requirements").glob("*.in"):
        made = source.with_suffix(".txt").read_text()
        wanted = [line.split("==")[0].split(";")[0].strip().lower() for line in source.read_text().splitlines()]
        assert [name for name in wanted if name and name[0] not in "-#" and f"\n{name}==" not in made] == []


def test_the_service_knows_a_package_or_it_was_not_asked():
    answer = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"]}]}]}
    assert advisories.of_python(json.dumps(answer), "") == [Finding("a", ("PYSEC-1", "CVE-1"))]
    for said in ("", "[]", "null", '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', "<html>"):
        with pytest.raises(UnansweredError):
            advisories.of_python(said, "x\n")
    answer = {"vulnerabilities": {"a": {"via": ["b", {"url": "https://x/GHSA-aaaa-bbbb-cccc", "source": 5}]}}}
    assert advisories.of_npm(json.dumps(answer), "") == [Finding("a", ("GHSA-aaaa-bbbb-cccc",))]
    assert advisories.of_npm('{"vulnerabilities": {}}', "") == []
    with pytest.raises(UnansweredError, match="refused"):
        advisories.of_npm('{"message": "x"}', "npm error refused\n")


def test_a_finding_fails_until_it_is_decided_and_again_when_its_day_has_come():
    found = [Finding("a", ("PYSEC-1", "CVE-1"))]
    decided = advisories.decisions("# x\n\nCVE-1 a 2026-05-05 only read by tests\n")
    assert decided == [Decision("CVE-1", "a", TODAY, "only read by tests")]
    assert advisories.judged(found, [], TODAY, report=False)[0]
    assert advisories.judged(found, [], TODAY, report=True)[0] == []
    assert advisories.judged(found, decided, TODAY, report=False)[0] == []
    tomorrow = TODAY + dt.timedelta(days=1)
    assert advisories.judged(found, decided, tomorrow, report=True)[0], "a decision has a day on which it ends"
    assert advisories.judged([Finding("b", ("CVE-1",))], decided, TODAY, report=False)[0]


@pytest.mark.parametrize("line", ["CVE-1 a 2026-05-05", "CVE-1 a soon because", "CVE-1"])
def test_a_decision_has_a_day_and_a_reason(line):
    with pytest.raises(ValueError, match=r".+"):
        advisories.decisions(line)


def test_the_decisions_of_this_tree_can_be_read():
    advisories.decisions(advisories.DECISIONS.read_text())
