"""What commands take: numbers that are numbers, moments, and values as JSON."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from corestate._shown import named
from corestate.errors import InvalidError

__all__ = ["NegativeValues", "Real", "Whole", "change_or_moment", "json_value", "moment"]

_MOST = 2**63 - 1
_LAST_SECOND = _MOST // 10**9


class Real(click.FloatRange):
    """A finite number; seconds of more than thirty years are a mistake."""

    def __init__(self, min: float | None = None, *, min_open: bool = False) -> None:  # noqa: A002 - click's name
        super().__init__(min=min, max=1e9, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As the class says."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail("expected a finite number", param, ctx)
        return found


class Whole(click.IntRange):
    """An int of at most 63 bits."""

    def __init__(self, min: int = 0) -> None:  # noqa: A002
        super().__init__(min=min, max=_MOST)


def moment(text: str, what: str = "TIME") -> datetime:
    """A point in time, in the local zone unless it says another.

    Raises:
        InvalidError: it is none, or one that no store can hold.
    """
    found = None
    with suppress(ValueError, OverflowError, OSError):
        found = datetime.fromisoformat(text).astimezone()
    if found is None or not 1 < found.year < 9999 or abs(found.timestamp()) > _LAST_SECOND:
        raise InvalidError.because(
            what,
            expected="a time of the years 1678 to 2261",
            found=named(text),
            advice="write 2026-01-31T12:00:00",
        )
    return found


def change_or_moment(text: str) -> dict[str, Any]:
    """``#17`` or a time, as arguments of ``scope.at``."""
    if re.fullmatch(r"#[0-9]{1,19}", text):
        return {"change": min(int(text[1:]), _MOST)}
    if text.startswith("#"):
        raise InvalidError.because(
            "MOMENT", expected="#CHANGE, a number", found=named(text), advice="write #17 or 2026-01-31T12:00:00"
        )
    return {"time": moment(text, "MOMENT")}


# -- values --------------------------------------------------------------------------------------


def json_value(text: str) -> Any:
    """What VALUE means: JSON where it is JSON, else the text itself.

    Raises:
        InvalidError: JSON that no value can be: NaN, a name given twice, nested too deep, a number too long.
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise InvalidError.because("VALUE", expected="JSON nested less deep", found="one too deep to read") from None
    except InvalidError:
        raise
    except ValueError:
        raise InvalidError.because("VALUE", expected="numbers of fewer digits", found="one too long to read") from None


def _refuse(text: str) -> None:
    raise InvalidError.because("VALUE", expected="JSON", found=text, advice="quote it to store the text: '\"NaN\"'")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidError.because("VALUE", expected="each name once", found="one given twice", advice="leave one out")
    return found


_NEGATIVE = re.compile(r"-(?:\d|\.\d)")
_MARK = "\0"


class NegativeValues(click.Command):
    """A command whose arguments may begin with a minus and a digit, which click takes for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As the class says."""
        takes_value = {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        pairs = zip(["", *args], args, strict=False)
        marked = [_MARK + one if _NEGATIVE.match(one) and before not in takes_value else one for before, one in pairs]
        rest = super().parse_args(ctx, marked)
        for name, value in ctx.params.items():
            if isinstance(value, str):
                ctx.params[name] = value.removeprefix(_MARK)
        return rest
