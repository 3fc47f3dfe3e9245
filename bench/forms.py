"""How much is measured: the short form, the full one, and a tiny one that only shows that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """Sizes of every work."""

    name: str
    rounds: int
    """How many times all subjects of a work take their turn."""
    round_seconds: float
    """How long one subject's turn of a single operation lasts, about."""
    subject_seconds: float
    """A subject so slow that its turns have taken this long sits the rest out, after three."""
    processes: tuple[int, ...]
    together_seconds: float
    """How long one turn of several processes at once lasts, about."""
    agents: tuple[int, ...]
    fill_seconds: float
    """A peer that would take longer than this to be filled with agents, by its time for a tenth, is not."""
    latencies: int
    subscribers: tuple[int, ...]
    events: int
    contenders: tuple[int, ...]
    keys: int
    batch: int
    """Durable rows, tasks or settings of one turn."""
    kills: int
    patience: float
    """Seconds after which a waiter for a dead holder's lock gives up."""
    growth: tuple[int, ...]
    depth: tuple[int, ...]


SHORT = Form(
    name="short",
    rounds=11,
    round_seconds=0.002,
    subject_seconds=0.5,
    processes=(1, 2, 4, 8),
    together_seconds=0.02,
    agents=(10, 1_000, 100_000, 1_000_000),
    fill_seconds=45,
    latencies=200,
    subscribers=(1, 4, 16),
    events=3_000,
    contenders=(2, 4),
    keys=10_000,
    batch=100,
    kills=3,
    patience=2.0,
    growth=(10, 100, 1_000, 10_000),
    depth=(1, 10, 100, 1_000),
)

FULL = Form(
    name="full",
    rounds=41,
    round_seconds=0.005,
    subject_seconds=3,
    processes=(1, 2, 4, 8),
    together_seconds=0.1,
    agents=(10, 100, 1_000, 10_000, 100_000, 1_000_000),
    fill_seconds=120,
    latencies=1_000,
    subscribers=(1, 4, 16),
    events=10_000,
    contenders=(2, 4, 8),
    keys=100_000,
    batch=500,
    kills=11,
    patience=5.0,
    growth=(10, 100, 1_000, 10_000, 100_000),
    depth=(1, 10, 100, 1_000, 10_000),
)

TINY = Form(
    name="tiny",
    rounds=2,
    round_seconds=0.0001,
    subject_seconds=0.05,
    processes=(2,),
    together_seconds=0.001,
    agents=(10, 100),
    fill_seconds=15,
    latencies=8,
    subscribers=(2,),
    events=60,
    contenders=(2,),
    keys=20,
    batch=5,
    kills=1,
    patience=0.3,
    growth=(10, 100),
    depth=(1, 10),
)

FORMS = {form.name: form for form in (SHORT, FULL, TINY)}
