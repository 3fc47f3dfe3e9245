"""Scoped state: namespaces of keys whose values have versions, a time to live, limits and a history."""
