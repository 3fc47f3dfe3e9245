"""The binding to the wasm build of the core, in Pyodide: what ``_core`` and ``_hot`` are elsewhere.

``library`` has ``ffi`` and ``lib`` with the small part of cffi's that the package uses (see ``_binding``), ``hot`` the
hot types, ``storage`` the memory regions live in.
"""
