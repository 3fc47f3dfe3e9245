"""Where what must outlive the moment is kept: a ``Store`` of rows, SQLite by default."""

from __future__ import annotations

from corestate.stores.base import Durability, Row, Rows, Store

__all__ = ["Durability", "Row", "Rows", "Store"]
