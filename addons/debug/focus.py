"""The list of flows: which one a person looks at, and which ones belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy import ctx, http

from addons.debug.description import summary_of

if TYPE_CHECKING:
    from mitmproxy.addons.view import View


def looked_at(flow: http.HTTPFlow) -> None:
    """A content of this flow is being shown.

    mitmweb keeps the selection in the browser, so that ``@focus`` of its command bar would for ever
    be the oldest flow. What it asks for is the contents of the selected one.
    """
    view = the_list()
    if view is not None and ctx.master.addons.get("webaddon") is not None and flow in view:
        view.focus.flow = flow


def related(flow: http.HTTPFlow) -> list[http.HTTPFlow]:
    """Other flows of the same exchange, in the order of the list: attempts that failed, and the one
    that went on."""
    exchange = summary_of(flow).get("exchange")
    return [
        each
        for each in the_list() or ()
        if isinstance(each, http.HTTPFlow)
        and each.id != flow.id
        and exchange
        and summary_of(each).get("exchange") == exchange
    ]


def the_list() -> View | None:
    """Of mitmweb or the console; None in mitmdump, and outside of mitmproxy."""
    master = getattr(ctx, "master", None)
    view = None if master is None else master.addons.get("view")
    if view is None:
        return None
    from mitmproxy.addons.view import View  # mitmdump does not load it

    return view if isinstance(view, View) else None
