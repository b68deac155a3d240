"""What the sandbox of a floway received, as a trace of the client that floway writes like."""

from __future__ import annotations

import base64
from typing import Any

from fingerprints.capture import Capture, RawMessage, Recording
from fingerprints.profile import Profile
from fingerprints.trace import Origin, Trace
from replay.sandbox_control import SandboxControl

_VERSIONS = {"2": "HTTP/2.0", "1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}


def received(sandbox: SandboxControl, like: Trace, profile: Profile) -> Trace:
    """All since it was last told to forget.

    Args:
        like: the recording that was sent; gives the name.
        profile: names the client.
    """
    capture = Capture(
        client=profile.client,
        release=profile.release,
        scenario=f"{like.client}-{like.scenario}".strip("-"),
        conditions=like.conditions,
        origin=Origin(tool="floway regress", on=like.origin.on, run=like.origin.run),
    )
    for entry in sandbox.requests():
        capture.add(_recording(entry))
    return capture.trace()


def _recording(entry: dict[str, Any]) -> Recording:
    begin = float(entry["time"])
    headers = [(name, value) for name, value in entry["headers"] if not name.startswith(":")]
    authority = next((value for name, value in headers if name.lower() == "host"), "")
    authority = next(
        (value for name, value in entry["pseudo_headers"] if name == ":authority"), authority
    )
    return Recording(
        id=str(entry["id"]),
        at=begin,
        method=entry["method"],
        authority=authority,
        path=entry["target"],
        headers=headers,
        connection=str(entry["connection"]),
        http_version=_VERSIONS.get(entry["http_version"], "HTTP/1.1"),  # type: ignore[arg-type]
        body=base64.b64decode(entry["body_base64"]) or None,
        messages=[_message(frame) for frame in entry.get("frames", ())],
    )


def _message(frame: dict[str, Any]) -> RawMessage:
    text = frame.get("text")
    data = text.encode("utf-8", "surrogatepass") if text is not None else b""
    if text is None:
        data = base64.b64decode(frame["base64"])
    sender = "client" if frame["from"] == "client" else "server"
    return RawMessage(sender, float(frame["time"]), data, text=text is not None)  # type: ignore[arg-type]
