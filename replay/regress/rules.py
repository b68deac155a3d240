"""What may differ between two recordings of the official client, though nothing in the recordings
shows it: what happened in the run, not what the client is."""

from __future__ import annotations

from typing import Final

from fingerprints.compare.allowances import parse

RACES: Final = {
    "body:events*=any": "analytics are collected while other things happen: how many, and which",
    "body:events*=presence: sometimes": "likewise",
    "body:events*=order: free": "likewise",
    "body:events*=equal: false": "likewise",
    "body:input*].output*=any": "what a tool printed, with its time",
    "*x-codex-turn-metadata.workspaces*=presence: sometimes": "the git folder is looked at "
    "while the first request is made; it may be in time or not",
    "header:user-agent=text": "its suffix is there once the client has introduced itself, which "
    "side calls do not wait for; the profile says which request has which",
    "header:mcp-session-id=equal: false": "two agents of a run have a session each, and call when "
    "they like",
    "header:authorization=equal: false": "a side call that is made while the token is refreshed "
    "has the old one or the new one",
    "header:x-codex-turn-metadata.context_window_id=equal: false": "a connection that is opened "
    "ahead may be of the window before a compaction or after it",
    "request=presence: sometimes": "side calls are made at their own times",
}
"""Rule to reason."""

ALLOWANCES = tuple(parse(rule) for rule in RACES)
