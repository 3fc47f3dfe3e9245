"""Prints where the sources of a FreeRTOS kernel are: FREERTOS_KERNEL, or what Cargo fetches by the lock file here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGE = "freertos-next"
MANIFEST = Path(__file__).resolve().parent / "kernel/Cargo.toml"


def fetched() -> Path:
    """The kernel in Cargo's cache, put there if it is not; its checksum is the lock file's."""
    done = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(MANIFEST)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{PACKAGE}: expected Cargo to find it, found: {done.stderr.strip()}")
    for package in json.loads(done.stdout)["packages"]:
        if package["name"] == PACKAGE:
            return Path(package["manifest_path"]).parent / "FreeRTOS-Kernel"
    raise SystemExit(f"{MANIFEST}: expected it to name {PACKAGE}")


def main() -> int:
    """Print the folder that has tasks.c."""
    kernel = Path(os.environ["FREERTOS_KERNEL"]) if os.environ.get("FREERTOS_KERNEL") else fetched()
    if not (kernel / "tasks.c").is_file():
        print(f"{kernel}: expected a FreeRTOS kernel, found no tasks.c in it", file=sys.stderr)
        return 1
    print(kernel.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
