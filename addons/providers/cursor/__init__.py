"""Cursor: accounts of Cursor behind the clients' own protocols."""
