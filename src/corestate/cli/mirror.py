"""``corestate mirror``: a region's bytes kept the same at another place."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from corestate._mirror_key import read_key
from corestate.cli.output import emit, json_option, say, size
from corestate.cli.regions import Octal
from corestate.errors import CorestateError
from corestate.links import is_link
from corestate.mirror import Mirror, MirrorReport, Sender

if TYPE_CHECKING:
    from corestate.mirror import SenderReport

__all__ = ["mirror"]


def _said(report: MirrorReport | SenderReport) -> str:
    refused = f"; {report.refused} refused, last: {report.reason}" if report.refused else ""
    if not isinstance(report, MirrorReport):
        if not report.connected:
            return f"nobody is there to send to yet{refused}"
        heard = "" if report.heard is None else f", receiver heard {report.heard:.1f} s ago"
        return f"sent {report.frames} frames, {size(report.bytes)}, {report.pictures} pictures{heard}{refused}"
    state = "silent" if report.age is None or report.age > 2 else "behind" if report.behind else "live"
    age = "never heard" if report.age is None else f"heard {report.age:.1f} s ago"
    faults = {
        name: getattr(report, name) for name in ("lost", "repeated", "reordered", "corrupt", "mismatched", "restarts")
    }
    shown = ", ".join(f"{count} {name}" for name, count in faults.items() if count)
    return f"{state}, {age}, {report.frames} frames, {size(report.bytes)}" + (f"; {shown}" if shown else "") + refused


@click.command()
@click.argument("source")
@click.argument("address")
@click.option(
    "--rate",
    type=click.IntRange(min=0),
    default=None,
    help="Sending: bytes a second at most; 0: no bound.  [default: 8000000 over udp, else 0]",
)
@click.option(
    "--picture",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Sending: seconds from one whole picture to the next.",
)
@click.option(
    "--source-times", is_flag=True, help="Receiving: times as they are, also when the source has another clock."
)
@click.option(
    "--permissions",
    type=Octal(),
    default=0o400,
    metavar="OCTAL",
    help="Receiving: who may read the region: 400, 440 its group too, 444 everybody.  [default: 400]",
)
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False),
    default=None,
    help="A file with 16 to 64 bytes that the other end has too; frames without a MAC by it are refused.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=None, help="End after this long.  [default: at Ctrl-C]"
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds from one line of report to the next.",
)
@json_option
def mirror(
    source: str,
    address: str,
    rate: int | None,
    picture: float,
    source_times: bool,
    permissions: int,
    key_file: str | None,
    seconds: float | None,
    every: float,
    as_json: bool,
) -> None:
    """Keep a region the same at another place.

    One of SOURCE and ADDRESS is a line, the other a region. A line as SOURCE is received: `corestate mirror
    serial:/dev/ttyACM0?baud=921600 board.state`. A region as SOURCE is sent: `corestate mirror brain.state
    udp:viewer.local:4000`. Lines are serial:PORT[?baud=N], tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH and
    udp:[HOST:]PORT.

    Who can send to the line can be the source; with --key-file at both ends only who has the key. The key file must be
    readable by this user alone. What is refused is counted, with the last reason.

    Ends with 1 if the source was never heard, or is silent at the end; sending, if nobody was ever there.
    """
    if is_link(source) == is_link(address):
        raise click.UsageError("expected a line and a region: one of them as SOURCE, the other as ADDRESS")
    key = None if key_file is None else _key(key_file)
    with ExitStack() as stack:
        worker: Mirror | Sender
        if is_link(source):
            made = Mirror(source, address, shift_times=not source_times, permissions=permissions, key=key)
            worker = stack.enter_context(made)
        else:
            worker = stack.enter_context(Sender(source, address, bytes_per_second=rate, picture_every=picture, key=key))
        report = _follow(worker, seconds, every, as_json)
    if not _went_well(report):
        raise click.exceptions.Exit(1)


def _went_well(report: MirrorReport | SenderReport) -> bool:
    if isinstance(report, MirrorReport):
        return report.ready and (report.age or 0) <= 2
    return report.connected


def _key(path: str) -> bytes:
    try:
        return read_key(path)
    except OSError as problem:
        if isinstance(problem, CorestateError):
            raise
        raise click.UsageError(f"--key-file {path}: {problem.strerror or problem}") from problem


def _follow(worker: Mirror | Sender, seconds: float | None, every: float, as_json: bool) -> Any:
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = every if end is None else min(every, max(0.0, end - time.monotonic()))
        ended = worker.wait(left) or (end is not None and time.monotonic() >= end)
        report = worker.report()
        if as_json:
            emit(asdict(report))
        else:
            say(_said(report))
        if ended:
            return report
