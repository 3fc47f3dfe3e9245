"""Commands that make, keep and remove regions: create, snapshot, restore, unlink."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import fields
from typing import Any

import click

import corestate
from corestate._trusted import Place
from corestate.address import parse
from corestate.cli.arguments import Whole
from corestate.cli.describe import region_data
from corestate.cli.opening import looking
from corestate.cli.output import emit, json_option, say, size, when

__all__ = ["Octal", "create", "restore", "snapshot", "unlink"]


class Octal(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Permission bits, as chmod has them."""

    name = "OCTAL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: D102 -- of click
        if isinstance(value, int):
            return value
        try:
            return int(str(value).removeprefix("0o"), 8)
        except ValueError:
            self.fail(f"expected permission bits in octal, such as 660; found {value!r:.40}", param, ctx)


def _config_options(command: Any) -> Any:
    for field in reversed(fields(corestate.RegionConfig)):
        option = "--" + field.name.replace("_", "-")
        kind: Any = Octal() if field.name == "permissions" else int
        shown = f"[default: {field.default:o}]" if field.name == "permissions" else f"[default: {field.default}]"
        command = click.option(option, field.name, type=kind, help=shown)(command)
    return command


@click.command()
@click.argument("address")
@_config_options
@json_option
def create(address: str, as_json: bool, **sizes: int | None) -> None:
    """Make a region where there is none."""
    if parse(address).kind == "heap":
        raise corestate.AddressError.because("create", expected="an address that outlives this command", found=address)
    config = corestate.RegionConfig(**{name: value for name, value in sizes.items() if value is not None})
    with corestate.create(address, config=config) as state:
        if as_json:
            emit(region_data(state))
        else:
            say(f"created {state.address}, {size(state.region.size)}")


@click.command()
@click.argument("address")
@click.argument("path")
@json_option
def snapshot(address: str, path: str, as_json: bool) -> None:
    """Write a picture of a region to a file; it is there as a whole and durably, or not at all."""
    with looking(address) as state:
        info = state.snapshot(path)
    if as_json:
        emit({"path": path, "bytes": info.bytes, "time_ns": info.time_ns, "changed": info.changed, "crc": info.crc})
        return
    moved = "; the region changed meanwhile, every record is whole" if info.changed else ""
    say(f"{path}: {size(info.bytes)}, taken {when(info.time_ns, date=True)}{moved}")


@click.command()
@click.argument("path")
@click.argument("address")
@click.option(
    "--largest",
    type=Whole(1),
    metavar="BYTES",
    help="Refuse a snapshot whose region would be larger; a small file can ask for a large one.",
)
@json_option
def restore(path: str, address: str, largest: int | None, as_json: bool) -> None:
    """Make a region at a free address out of a snapshot."""
    with suppress(FileNotFoundError), Place(path, f"snapshot {path}") as place:
        os.close(place.open())  # a regular file, or nothing: no device or FIFO is read
    bound: dict[str, Any] = {} if largest is None else {"largest": largest}
    with corestate.restore(path, address, **bound) as state:
        if as_json:
            emit(region_data(state))
        else:
            say(f"restored {state.address}, {size(state.region.size)}")


@click.command()
@click.argument("address")
def unlink(address: str) -> None:
    """Remove a region's name; who is attached goes on with it undisturbed."""
    corestate.unlink(address)
