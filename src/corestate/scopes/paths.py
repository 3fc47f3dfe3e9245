"""Which scope is meant: a path of kinds and names, and the bytes that stand for it.

The bytes are MessagePack, which says where each part ends: no choice of names makes two paths the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgpack  # type: ignore[import-untyped]

from corestate._shown import kind_of, named, shown
from corestate.errors import InvalidError, WrongTypeError

__all__ = ["KINDS", "ScopePath"]

KINDS = ("global", "user", "session", "agent", "tool", "workflow", "task", "hook", "custom")
"""What a scope can be. A step is always a step of a workflow."""

NAME_BYTES = 256
"""Longest name of a scope, in UTF-8."""


@dataclass(frozen=True)
class ScopePath:
    """The path of a scope: ``(("workflow", "train"), ("step", "load"))``."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, kind: str, name: str | None = None) -> ScopePath:
        """The path of a scope at the top.

        Raises:
            InvalidError: an unknown kind, a name for ``global``, none for another kind, or one too long.
            WrongTypeError: a name that is no str.
        """
        if kind not in KINDS:
            raise InvalidError.because(
                f"scope kind {kind!r:.60}",
                expected=", ".join(KINDS),
                found="another",
                advice='use "custom" for your own',
            )
        if kind == "global":
            if name is not None:
                raise InvalidError.because(
                    'scope "global"', expected="no name", found=named(name), advice='use "custom" with this name'
                )
            return cls((("global", ""),))
        return cls(((kind, _checked(kind, name)),))

    def step(self, name: str) -> ScopePath:
        """The path of a step of this workflow."""
        if len(self.parts) != 1 or self.kind != "workflow":
            raise InvalidError.because(
                f"step of {self}", expected="a workflow", found=self.kind, advice="take the step of a workflow's scope"
            )
        return ScopePath((*self.parts, ("step", _checked("step", name))))

    def sibling(self, name: str) -> ScopePath:
        """The path of the same kind with another name."""
        if self.kind == "global":
            return ScopePath.of("custom", name)
        return ScopePath((*self.parts[:-1], (self.kind, _checked(self.kind, name))))

    @property
    def kind(self) -> str:
        """``"global"`` to ``"custom"``, or ``"step"``."""
        return self.parts[-1][0]

    @property
    def name(self) -> str:
        """The last part's name; empty for ``global``."""
        return self.parts[-1][1]

    def to_bytes(self) -> bytes:
        """What stands for the path in keys and in the store."""
        return self._packed

    @cached_property
    def _packed(self) -> bytes:
        packed: bytes = msgpack.packb([list(part) for part in self.parts], use_bin_type=True)
        return packed

    @classmethod
    def from_bytes(cls, packed: bytes) -> ScopePath:
        """The path that ``to_bytes`` packed.

        Raises:
            InvalidError: the bytes are nothing it packs.
        """
        try:
            return cls(tuple((str(kind), str(name)) for kind, name in msgpack.unpackb(packed, raw=False)))
        except (ValueError, TypeError, msgpack.UnpackException) as cause:
            raise InvalidError.because(
                "path of a scope", expected="a packed path", found=kind_of(packed), advice="check the store"
            ) from cause

    @classmethod
    def parse(cls, text: str) -> ScopePath:
        """A path as the command line writes it: ``global``, ``user:ann``, ``workflow:train/step:load``.

        A slash in a name is written ``%2F`` and a percent sign ``%25``.
        """
        parts = [part.partition(":") for part in text.split("/")]
        names = [(kind, name.replace("%2F", "/").replace("%25", "%")) for kind, _, name in parts]
        path = cls.of(names[0][0], names[0][1] or None)
        for kind, name in names[1:]:
            if kind != "step":
                raise InvalidError.because(
                    f"scope {text!r:.80}",
                    expected="step:NAME after a workflow",
                    found=f"{kind}:{name}",
                    advice="see --help",
                )
            path = path.step(name)
        return path

    def __str__(self) -> str:
        return "/".join(
            kind if kind == "global" else f"{kind}:{name.replace('%', '%25').replace('/', '%2F')}"
            for kind, name in self.parts
        )


def _checked(kind: str, name: str | None) -> str:
    if not isinstance(name, str):
        raise WrongTypeError.because(f"name of a {kind} scope", expected="a str", found=shown(name))
    if not name or len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        raise InvalidError.because(
            f"name of a {kind} scope",
            expected=f"1 to {NAME_BYTES} bytes of UTF-8",
            found=f"{len(name.encode('utf-8', 'surrogatepass'))}",
            advice="choose another name",
        )
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as cause:
        raise InvalidError.because(
            f"name of a {kind} scope", expected="UTF-8", found=named(name), advice="choose another name"
        ) from cause
    return name
