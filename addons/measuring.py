"""Tells the observer of :mod:`addons.operate` when exchanges begin and end. One addon, thin.

It comes after the gateway in the list of addons: what it sees, the gateway has decided.
"""

from __future__ import annotations

import time

from mitmproxy import http

from addons.attempts import ExchangeDriver
from addons.driver import driver_of
from addons.operate.observer import Observer


class Measuring:
    """Hooks that time and count; none of them changes a flow."""

    name = "floway_measuring"

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def request(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if isinstance(driver, ExchangeDriver):
            read = flow.request.timestamp_end
            self._observer.began(driver.exchange, time.time() - read if read else 0.0)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver) or flow.response is None:
            return
        if driver.exchange.committed or driver.production is not None:
            came = flow.response.timestamp_start
            self._observer.committed(driver.exchange, time.time() - came if came else 0.0)

    def response(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def _ended(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if isinstance(driver, ExchangeDriver):
            self._observer.ended(driver.exchange)
