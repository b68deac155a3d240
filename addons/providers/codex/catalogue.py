"""The upstream's model list: fetched by httpx, kept by its ETag, the last good one served."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from addons.errors import ClientError, FlowayError
from addons.providers.codex.models import Model, ModelList
from addons.verbatim import bare_request, verbatim_mounts

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds; the list is small, and model requests may wait for it."""

type Ask = Callable[[], tuple[str, Sequence[tuple[str, str]]]]
"""URL and headers of the request for the list, for an account that can be asked now."""


class Catalogue:
    """One list for all accounts of the provider; asked for by one task at a time."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        ca_file: str | None = None,
        http2: bool = True,
    ) -> None:
        """
        Args:
            http2: whether the release asks over HTTP/2 where the host speaks it.
        """
        self._clock = clock
        self._ca_file = ca_file
        self._http2 = http2
        self._list = ModelList()
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None

    @property
    def models(self) -> Sequence[Model]:
        """The last good list; empty before the first."""
        return self._list.models

    def announced(self, etag: str | None) -> None:
        """An answer named the ETag of the list that holds now."""
        self._list = self._list.announced(etag)

    async def refreshed(self, ask: Ask) -> Sequence[Model]:
        """The list, asked for again where it is due; the last good one where that fails.

        While one caller asks, the others go on with the last good one if there is one.
        """
        if self._list.due(self._clock()) and not (self._list.models and self._lock.locked()):
            async with self._lock:
                if self._list.due(self._clock()):
                    await self._fetch(ask)
        return self._list.models

    async def required(self, ask: Ask) -> Sequence[Model]:
        """As :meth:`refreshed`, for a caller that can't do without.

        Raises:
            ClientError: 502, there is no list.
        """
        models = await self.refreshed(ask)
        if not models:
            raise _unavailable()
        return models

    async def published(self, url: str, key: str) -> Any:
        """The public API's list, as it is now, with an API key.

        Raises:
            ClientError: 502, it could not be had.
        """
        try:
            answer = await self._http().get(url, headers={"authorization": f"Bearer {key}"})
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            logger.warning("the model list could not be fetched: %s", _problem(error))
            raise _unavailable() from None

    async def _fetch(self, ask: Ask) -> None:
        try:
            url, headers = ask()
            pairs = [*headers]
            if self._list.etag:
                pairs.append(("if-none-match", self._list.etag))
            answer = await self._http().send(bare_request("GET", url, pairs, seconds=TIMEOUT))
            if answer.status_code == 304:
                self._list = self._list.unchanged(self._clock())
            else:
                answer.raise_for_status()
                self._list = self._list.fetched(
                    answer.json(), answer.headers.get("etag", ""), self._clock()
                )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, FlowayError) as error:
            self._list = self._list.failed(self._clock())
            logger.warning("the model list could not be fetched: %s", _problem(error))

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            verify = ssl.create_default_context(cafile=self._ca_file)
            # Not through the environment's proxy: that may be floway itself.
            self._client = httpx.AsyncClient(
                mounts=verbatim_mounts(verify, http2=self._http2),
                verify=verify,
                timeout=TIMEOUT,
                trust_env=False,
                http2=True,
            )
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _unavailable() -> ClientError:
    return ClientError(
        502, "models_unavailable", "The upstream's model list could not be had. Try again."
    )


def _problem(error: Exception) -> str:
    """Without the URL and what else httpx and parsers repeat of the answer."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return str(error) if isinstance(error, FlowayError) else type(error).__name__
