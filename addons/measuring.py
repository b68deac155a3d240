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
        if not isinstance(driver, ExchangeDriver):
            return
        read = flow.request.timestamp_end
        # A request that has its answer is not sent: floway refused it, or the provider has asked
        # the upstream itself, whose time would count as floway's.
        waited = time.time() - read if read and flow.response is None else None
        self._observer.began(driver.exchange, waited)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        driver = driver_of(flow)
        if not isinstance(driver, ExchangeDriver) or flow.response is None:
            return
        came = flow.response.timestamp_start
        if driver.production is not None:
            self._observer.committed(driver.exchange, None)
        elif driver.exchange.committed:
            self._observer.committed(driver.exchange, time.time() - came if came else None)

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
