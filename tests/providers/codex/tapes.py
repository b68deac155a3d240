"""OAuth exchanges, recorded by vcrpy; what is secret in them is replaced before it is written.

They were recorded against floway's own sandbox, which has the form of the real server (its answers
are known from codex-wire.md §5), and name the real server, so that the tests send what goes there.
``CASSETTES=record`` records them anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import vcr

from addons.providers.codex import oauth
from addons.providers.codex.authority import CodexAuthority
from addons.settings import Settings
from replay.sandbox import Sandbox
from replay.sandbox.tokens import make_jwt, read_jwt
from tests.providers.codex import sign_ins

FOLDER = Path(__file__).with_name("cassettes")
RECORDING = os.environ.get("CASSETTES") == "record"

SECRETS = ("code", "code_verifier", "refresh_token", "device_auth_id", "user_code")
"""Members of requests."""
TOKENS = ("refresh_token", "authorization_code", "code_verifier", "code_challenge", "jti")


@asynccontextmanager
async def recorded(name: str, home: Path) -> AsyncIterator[tuple[CodexAuthority, Sandbox | None]]:
    """An authority whose server is a cassette; with ``CASSETTES=record``, a sandbox."""
    server = await sign_ins.sandbox(home) if RECORDING else None
    issuer = server.http_url if server is not None else oauth.ISSUER
    authority = CodexAuthority(Settings(issuers={"codex": issuer}))
    tape = vcr.VCR(
        record_mode="all" if RECORDING else "none",
        match_on=["method", "uri", "body"],
        before_record_request=_request(issuer),
        before_record_response=_response,
        decode_compressed_response=True,
    )
    try:
        with tape.use_cassette(str(FOLDER / f"{name}.yaml")) as cassette:
            yield authority, server
            assert RECORDING or cassette.all_played
    finally:
        await authority.close()
        if server is not None:
            await server.stop()


def _request(issuer: str) -> Any:
    def change(request: Any) -> Any:
        request.uri = request.uri.replace(issuer, oauth.ISSUER)
        request.headers = {
            key: value
            for key, value in request.headers.items()
            if key.lower() in ("content-type", "accept")
        }
        body = (request.body or b"").decode()
        for name in SECRETS:
            body = re.sub(rf'("{name}":")[^"]*', rf"\1⟨{name}⟩", body)
            body = re.sub(rf"(^|&)({name}=)[^&]*", rf"\1\2({name})", body)
        body = re.sub(r"(redirect_uri=)[^&]*", r"\1(uri)", body)
        request.body = body.encode()
        return request

    return change


def _response(response: dict[str, Any]) -> dict[str, Any]:
    response["headers"] = {"content-type": ["application/json"]}
    text = response["body"]["string"].decode()
    document = json.loads(text)
    for name in TOKENS:
        if name in document:
            document[name] = f"({name})"
    for name in ("id_token", "access_token"):
        if name in document:
            claims = read_jwt(document[name])
            document[name] = make_jwt({**claims, "jti": "(jti)", "sub": "(sub)"})
    response["body"]["string"] = json.dumps(document).encode()
    return response
