"""Bytes, connections and headers."""
