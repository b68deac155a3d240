"""Conversations of many turns, played against the sandbox's prompt cache and measured there.

The official client, straight against the sandbox, is the yardstick; other clients go through
floway, with one account and with several, with a restart in the middle, and with an account that
is used up in the middle.
"""
