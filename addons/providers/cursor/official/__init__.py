"""Cursor's own clients, passed on and looked at."""
