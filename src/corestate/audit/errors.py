"""What is wrong with an audit trail."""

from __future__ import annotations

from corestate.errors import CorestateError

__all__ = ["AuditAnchorError", "AuditBrokenError", "AuditError", "AuditHeldError", "AuditKeyError"]


class AuditError(CorestateError, RuntimeError):
    """Anything about the audit trail."""


class AuditBrokenError(AuditError):
    """The trail is not what was written."""

    expected = "the trail as it was written"
    found = "another"
    advice = "keep the file as evidence; compare it with a backup or an export"
    sequence: int = 0
    """The first row that shows it."""


class AuditAnchorError(AuditError):
    """The anchor, which says where the trail ends, is missing or damaged."""

    expected = "the anchor of this trail beside its store"
    found = "none"
    advice = "look at the last rows; if all is well, as after a restore, state.audit.anchor() makes it anew"


class AuditKeyError(AuditError, PermissionError):
    """The trail was begun with another key, or with none."""

    expected = "the key this trail was begun with"
    found = "another, or none"
    advice = "state.audit.use_key(key) before anything else"


class AuditHeldError(AuditError):
    """Rows that were held back could be written neither to the store nor to a file beside it."""

    expected = "to commit what was held back, or to keep it in a file beside the store"
    found = "that neither can be written"
    advice = "the error's `rows` has them: log them again once the store can be written"
    rows: tuple[tuple[int, str, str, str], ...] = ()
    """Each with its time (ns since the epoch), agent id, event type, and details as JSON text."""
