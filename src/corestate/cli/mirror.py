"""``corestate mirror``: a region's bytes kept the same at another place."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from corestate.cli.output import emit, json_option, say, size
from corestate.links import is_link
from corestate.mirror import Mirror, MirrorReport, Sender

if TYPE_CHECKING:
    from corestate.mirror import SenderReport

__all__ = ["mirror"]


def _said(report: MirrorReport | SenderReport) -> str:
    if not isinstance(report, MirrorReport):
        return f"sent {report.frames} frames, {size(report.bytes)}, {report.pictures} pictures"
    state = "silent" if report.age is None or report.age > 2 else "behind" if report.behind else "live"
    age = "never heard" if report.age is None else f"heard {report.age:.1f} s ago"
    faults = {
        name: getattr(report, name) for name in ("lost", "repeated", "reordered", "corrupt", "mismatched", "restarts")
    }
    shown = ", ".join(f"{count} {name}" for name, count in faults.items() if count)
    return f"{state}, {age}, {report.frames} frames, {size(report.bytes)}" + (f"; {shown}" if shown else "")


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
    seconds: float | None,
    every: float,
    as_json: bool,
) -> None:
    """Keep a region the same at another place.

    One of SOURCE and ADDRESS is a line, the other a region. A line as SOURCE is received: `corestate mirror
    serial:/dev/ttyACM0?baud=921600 board.state`. A region as SOURCE is sent: `corestate mirror brain.state
    udp:viewer.local:4000`. Lines are serial:PORT[?baud=N], tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH and
    udp:[HOST:]PORT.

    Ends with 1 if the source was never heard, or is silent at the end.
    """
    if is_link(source) == is_link(address):
        raise click.UsageError("expected a line and a region: one of them as SOURCE, the other as ADDRESS")
    with ExitStack() as stack:
        worker: Mirror | Sender
        if is_link(source):
            worker = stack.enter_context(Mirror(source, address, shift_times=not source_times))
        else:
            worker = stack.enter_context(Sender(source, address, bytes_per_second=rate, picture_every=picture))
        report = _follow(worker, seconds, every, as_json)
    if isinstance(report, MirrorReport) and (not report.ready or (report.age or 0) > 2):
        raise click.exceptions.Exit(1)


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
