"""A board in QEMU: started with an image, its serial port on a socket, its memory to be looked at from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BUILD", "MACHINES", "Board", "run", "symbol"]

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("CORESTATE_EMBEDDED", ROOT / "build/embedded"))
QEMU = os.environ.get("QEMU", "qemu-system-arm")
MACHINES = ("mps2-an386", "mps2-an500")


def run(
    image: Path, *arguments: str, machine: str = MACHINES[0], options: tuple[str, ...] = (), timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run an image that ends by itself, with semihosting; its text is standard output, its status the exit code."""
    words = ",".join(f"arg={word}" for word in ("image", *arguments))
    command = [
        QEMU, "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none", *options,
        "-chardev", "stdio,id=text,signal=off", "-semihosting-config", f"enable=on,target=native,chardev=text,{words}",
        "-kernel", str(image),
    ]  # fmt: skip
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )


def symbol(image: Path, name: str) -> tuple[int, int]:
    """Address and size of a variable of an image."""
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-S", "--defined-only", str(image)], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        words = line.split()
        if words[-1] == name and len(words) == 4:
            return int(words[0], 16), int(words[1], 16)
    raise LookupError(f"{image}: expected a variable {name}, found none")


class Board:
    """A board that runs until it is closed. Its serial port is a Unix socket, ``line`` the address of that."""

    def __init__(self, image: Path, machine: str = MACHINES[0]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="corestate-board-")
        folder = Path(self._folder.name)
        self.line = f"unix:{folder / 'uart'}"
        self.image = image
        control = folder / "control"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(control))
        listener.listen(1)
        listener.settimeout(30)
        self._process = subprocess.Popen(
            [
                QEMU, "-M", machine, "-display", "none", "-monitor", "none", "-kernel", str(image),
                "-serial", f"unix:{folder / 'uart'},server=on,wait=off", "-qmp", f"unix:{control}",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._lock = threading.Lock()
        try:
            self._socket = listener.accept()[0]
        except TimeoutError:
            self._process.kill()
            raise RuntimeError(f"{QEMU} did not start: {self._process.communicate()[1]}") from None
        finally:
            listener.close()
        self._control = self._socket.makefile("rw", encoding="utf-8")
        self._answer()
        self._ask("qmp_capabilities")

    def _answer(self) -> Any:
        while True:
            said = json.loads(self._control.readline())
            if "error" in said:
                raise RuntimeError(f"QEMU: {said['error']}")
            if "event" not in said:
                return said.get("return")

    def _ask(self, command: str, **arguments: Any) -> Any:
        with self._lock:
            self._control.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._control.flush()
            return self._answer()

    def variable(self, name: str) -> bytes:
        """The bytes of a variable of the image, all of one moment."""
        address, size = symbol(self.image, name)
        path = Path(self._folder.name) / "memory"
        self._ask("stop")
        try:
            self._ask("pmemsave", val=address, size=size, filename=str(path))
        finally:
            self._ask("cont")
        return path.read_bytes()

    def reset(self) -> None:
        """As by its reset button."""
        self._ask("system_reset")

    def pause(self) -> None:
        """Stop the processor, as a debugger would."""
        self._ask("stop")

    def go_on(self) -> None:
        """Let it run again."""
        self._ask("cont")

    def close(self) -> None:
        """Switch it off."""
        self._process.kill()
        self._process.communicate()
        self._control.close()
        self._socket.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
