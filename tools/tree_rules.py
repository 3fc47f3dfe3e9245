"""The rules of this tree that no linter knows; prints each breach as ``file:line: what`` and fails if there is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 600
MADE = {"docs/benchmarks.md"}
"""Written by a program, as long as there is to tell."""
SOURCE = {".c", ".h", ".py", ".pyi", ".js", ".mjs", ".ts", ".rs", ".pml", ".md", ".sh", ".toml", ".yml", ""}
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
NEED = re.compile(r"""(?:^|&&|if|;)\s*need\s+(?:"[^"]*"|\S+)\s+(?:"[^"]*"|\S+)\s+(?:"([^"$]*)"|(\w[\w.+-]*))""")

USERS_RUN = ("src/corestate/", "embedded/run_example.py", "wasm/examples/")
"""What runs on a user's machine, in whatever directory the user stands."""
STARTS_A_PROCESS = re.compile(
    r"\bsys\.executable\b|^\s*(?:import|from) (?:subprocess|multiprocessing|pty|runpy)\b"
    r"|\bos\.(?:system|popen|exec[lv]\w*|spawn\w+|posix_spawnp?)\b"
)
MAY_START = "src/corestate/_children.py"

TALKS = ("src/corestate/cli/", "src/corestate/demo/")
PRINTS = re.compile(
    r"\bclick\.(?:echo|secho|echo_via_pager|get_text_stream|get_binary_stream)\b|(?<![\w.])print\(|\bsys\.std(?:out|err)\.write"
    r"|\bConsole\("
)
MAY_PRINT = "src/corestate/cli/output.py"

LOOSE = {
    "an action that is not named by its commit": re.compile(r"^\s*(?:- )?uses:(?! \./)(?!.*@[0-9a-f]{40} # v)"),
    "pip installs without --require-hashes": re.compile(
        r"\bpip (?:install|download|wheel)\b(?!.*--require-hashes)(?!.*--no-deps)(?!.* corestate\b)(?!.*--no-input)"
    ),
    "npm runs the scripts of packages": re.compile(
        r"\bnpm (?:ci|i|install)\b(?! makes)(?! installs)(?!.*--ignore-scripts)"
    ),
    "cargo without --locked": re.compile(r"^[^#]*\bcargo (?:build|test|run|install)\b(?!.*--locked)"),
}
"""How a line fetches something nobody has compared with a digest."""


def tree() -> list[Path]:
    """Every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return sorted(ROOT / name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def breaches_of(path: Path) -> list[str]:
    """What one file breaks."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix not in SOURCE or path.name in ("LICENSE", "package-lock.json", "Cargo.lock"):
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return [f"{name}:1: not UTF-8"]
    found = []
    if len(lines) > MOST_LINES and name not in MADE:
        found.append(f"{name}:{len(lines)}: over {MOST_LINES} lines; one concept a file")
    for number, text in enumerate(lines, 1):
        if match := UNFINISHED.search(text):
            found.append(f"{name}:{number}: {match[0]}; finish it, or file an issue")
        if name.startswith(USERS_RUN) and name != MAY_START and STARTS_A_PROCESS.search(text):
            found.append(f"{name}:{number}: starts a process; only {MAY_START} does, with a safe path")
        if name.startswith(TALKS) and name != MAY_PRINT and PRINTS.search(text):
            found.append(f"{name}:{number}: prints; only {MAY_PRINT} does, which escapes")
    return found


def unlisted_packages(files: list[Path]) -> list[str]:
    """Packages a script's ``need`` names and tools/debian-packages does not."""
    lines = (ROOT / "tools/debian-packages").read_text().splitlines()
    listed = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in ("", ".sh") or not name.startswith(("tools/", "tests/", "embedded/", "wasm/", "bench/")):
            continue
        for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            named = {package for match in NEED.finditer(text) for package in (match[1] or match[2]).split()}
            found += [f"{name}:{number}: {package} is not in tools/debian-packages" for package in named - listed]
    return found


def unpinned(files: list[Path]) -> list[str]:
    """What is fetched without being held to a digest: actions, Python packages, npm packages, installs."""
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.name == "package-lock.json":
            packages = json.loads(path.read_text())["packages"].items()
            loose = [place for place, one in packages if place and not one.get("integrity", "").startswith("sha512-")]
            found += [f"{name}:1: {place} has no integrity" for place in loose]
        elif re.fullmatch(r"(requirements|wasm/tests/pyodide)/\w+\.txt", name):
            entries = path.read_text().replace("\\\n", " ").splitlines()
            loose = [
                one.split("==")[0] for one in entries if one and not one.startswith("#") and "--hash=sha256:" not in one
            ]
            found += [f"{name}:1: {one} has no hash; run tools/pin" for one in loose]
        elif name.startswith((".github/", ".ci/", "tools/", "wasm/", "embedded/", "bench/", "docs/", "pyproject")):
            if path.suffix not in ("", ".yml", ".sh", ".mjs", ".md", ".toml"):
                continue
            for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                for what in (what for what, pattern in LOOSE.items() if pattern.search(text)):
                    found.append(f"{name}:{number}: {what}")
    return found


def main() -> int:
    """Check the whole tree."""
    files = tree()
    found = [breach for path in files for breach in breaches_of(path)] + unlisted_packages(files) + unpinned(files)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
