"""What a failed attempt means, and how it is put on record."""

from __future__ import annotations

from collections.abc import Callable

from addons.providers.contract import Tried, UpstreamRequest
from addons.providers.cursor.failures.classification import classify
from addons.providers.cursor.failures.diagnosis import Kind, diagnose
from addons.providers.cursor.failures.errors import ConnectError, CursorError
from addons.providers.cursor.failures.unfamiliar import Unfamiliar
from addons.providers.cursor.progress import Begun, Progress, Refused
from addons.providers.cursor.serving import Serving
from addons.providers.cursor.wire.channel import Opening
from addons.providers.cursor.wire.endpoint import RUN, Hosts


class Judging:
    """One per provider; remembers which unknown errors were logged."""

    def __init__(self, serving: Serving, clock: Callable[[], float]) -> None:
        self._serving = serving
        self._clock = clock
        self._unfamiliar = Unfamiliar()

    def refused(
        self,
        progress: Progress,
        begun: Begun | None,
        error: CursorError | OSError,
        produced: int,
    ) -> Refused:
        """What an error of the account's attempt means.

        Args:
            begun: what the run began with; None: not known, it is an official client's.
            produced: tokens of output before it.
        """
        account = progress.account
        assert account is not None
        share = begun.prepared.prompt_share if begun is not None else None
        with_state = begun is not None and begun.with_state
        can_rotate = begun is not None and begun.generation == 0
        found = diagnose(
            error,
            prompt_share=share,
            produced_tokens=produced,
            with_state=with_state,
            can_rotate=can_rotate,
        )
        self._unfamiliar.log(error, found)
        verdict = classify(
            error,
            prompt_share=share,
            produced_tokens=produced,
            now=self._clock(),
            model=progress.model,
            retried=progress.asked[account.handle] > 1,
            with_state=with_state,
            can_rotate=can_rotate,
        )
        spoiled = found.kind is Kind.STATE
        return Refused(
            self._serving.ruled(verdict, final=not spoiled),
            begun.generation if begun is not None else 0,
            error.http_status or error.status if isinstance(error, ConnectError) else None,
            str(error),
            spoiled=spoiled,
        )


def tried(progress: Progress, sent: tuple[Hosts, Opening] | None = None) -> Tried:
    """The attempt that has failed, for the record.

    Args:
        sent: where it went, with which headers; None: the run was begun by an earlier request. The
            token is left out: no record needs it.
    """
    refused, account = progress.refused, progress.account
    assert refused is not None
    assert account is not None
    request = None
    if sent is not None and progress.begun is not None:
        hosts, opening = sent
        request = UpstreamRequest(
            "POST",
            hosts.agent.scheme,
            hosts.agent.host,
            hosts.agent.port,
            hosts.agent.prefix + RUN,
            hosts.agent.authority,
            [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in opening.run
                if name.lower() != "authorization"
            ],
            progress.begun.prepared.message,
        )
    said = refused.said.encode("utf-8", "replace")
    return Tried(account.label, refused.verdict, refused.status, request, said)
