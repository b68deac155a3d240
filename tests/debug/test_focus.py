"""What ``@focus`` is in mitmweb, and which flows belong together."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow
from mitmproxy.tools.web.webaddons import WebAddon

from addons.debug.description import METADATA
from addons.debug.focus import looked_at, related, the_list


def listed(view: View, exchange: str) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.metadata[METADATA] = {"exchange": exchange}
    view.requestheaders(flow)
    return flow


def test_mitmweb_s_focus_is_what_is_shown() -> None:
    view = View()
    with taddons.context(view, WebAddon()):
        first, second = listed(view, "a"), listed(view, "b")
        assert view.focus.flow is first
        looked_at(second)
        assert view.focus.flow is second
        looked_at(tflow.tflow())
        assert view.focus.flow is second, "one that is not in the list"


def test_the_console_has_a_focus_of_its_own() -> None:
    view = View()
    with taddons.context(view):
        first, second = listed(view, "a"), listed(view, "b")
        looked_at(second)
        assert view.focus.flow is first


def test_flows_of_one_exchange() -> None:
    view = View()
    with taddons.context(view):
        failed, other, went_on = listed(view, "a"), listed(view, "b"), listed(view, "a")
        assert related(went_on) == [failed]
        assert related(failed) == [went_on]
        assert related(other) == []
        assert related(tflow.tflow()) == [], "no part of floway's"


def test_without_a_list() -> None:
    with taddons.context():
        assert the_list() is None
        assert related(tflow.tflow()) == []
        looked_at(tflow.tflow())
