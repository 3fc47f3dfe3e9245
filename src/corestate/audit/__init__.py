"""The audit trail. See ``corestate.audit.trail.Audit``, which is ``state.audit``."""

from corestate.audit.anchor import Anchor
from corestate.audit.errors import AuditAnchorError, AuditBrokenError, AuditError, AuditHeldError, AuditKeyError
from corestate.audit.rows import AuditEvent, AuditRow
from corestate.audit.trail import Audit

__all__ = [
    "Anchor",
    "Audit",
    "AuditAnchorError",
    "AuditBrokenError",
    "AuditError",
    "AuditEvent",
    "AuditHeldError",
    "AuditKeyError",
    "AuditRow",
]
