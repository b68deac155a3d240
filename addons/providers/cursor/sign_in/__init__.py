"""Accounts of Cursor: sign-ins, and what they have used."""
