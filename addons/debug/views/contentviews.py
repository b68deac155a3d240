"""mitmproxy's side of the views. Each also works on flows that were read from a file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from mitmproxy import contentviews, http
from mitmproxy.addonmanager import Loader
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight

from addons.debug import flow_recording
from addons.debug.client_side import client_side
from addons.debug.description import TIMES, summary_of
from addons.debug.focus import looked_at, related
from addons.debug.views import events, explanation, frames, parity
from addons.debug.views.lens import Lens, Look
from fingerprints.errors import ProfileError
from fingerprints.library import load
from fingerprints.profile import Profile

EVENT_STREAM = "text/event-stream"


class _View(Contentview):
    """What all of floway's views have in common. One that is asked about a flow, if only whether it
    fits, is asked because a person looks at that flow."""

    _name = ""

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        _noticed(metadata)
        return self._shown(data, metadata)

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        _noticed(metadata)
        return self._priority(data, metadata)

    @abstractmethod
    def _shown(self, data: bytes, metadata: Metadata) -> str: ...

    @abstractmethod
    def _priority(self, data: bytes, metadata: Metadata) -> float: ...

    @property
    def name(self) -> str:
        return self._name

    @property
    def syntax_highlight(self) -> SyntaxHighlight:
        return "none"


class EventsView(_View):
    """Server-sent events, with times and merged texts."""

    _name = "floway events"

    def _shown(self, data: bytes, metadata: Metadata) -> str:
        return events.shown(data, _times(metadata))

    def _priority(self, data: bytes, metadata: Metadata) -> float:
        found = (metadata.content_type or "").partition(";")[0].strip().lower() == EVENT_STREAM
        return 3 if data and found else -1


class MessageView(_View):
    """One message of a WebSocket."""

    _name = "floway message"

    def _shown(self, data: bytes, metadata: Metadata) -> str:
        message = metadata.websocket_message
        from_client = message is not None and message.from_client
        text = message is None or message.is_text
        return frames.one(frames.Message(from_client, data, text=text))

    def _priority(self, data: bytes, metadata: Metadata) -> float:
        message = metadata.websocket_message
        return 2 if message is not None and message.is_text and data[:1] == b"{" else -1


class ParityView(_View):
    """The client's request beside what left, and the check against the profile.

    Args:
        profiles: a profile by its name, None where there is none.
    """

    _name = "floway parity"

    def __init__(self, profiles: Callable[[str], Profile | None] | None = None) -> None:
        self._profiles = profiles or shipped

    def _shown(self, data: bytes, metadata: Metadata) -> str:
        flow = metadata.flow
        return parity_of(flow, self._profiles) if isinstance(flow, http.HTTPFlow) else ""

    def _priority(self, data: bytes, metadata: Metadata) -> float:
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow) or metadata.http_message is not flow.request:
            return -1
        return 0.5 if client_side(flow) is not None else -1


class ExplainView(_View):
    """What ``floway.explain`` says; never chosen by itself."""

    _name = "floway explain"

    def _shown(self, data: bytes, metadata: Metadata) -> str:
        flow = metadata.flow
        return explanation_of(flow, related(flow)) if isinstance(flow, http.HTTPFlow) else ""

    def _priority(self, data: bytes, metadata: Metadata) -> float:
        return -1


class LensView(_View):
    """A provider's own view."""

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._name = lens.name

    def _shown(self, data: bytes, metadata: Metadata) -> str:
        return self._lens.shown(_look(metadata), data)

    def _priority(self, data: bytes, metadata: Metadata) -> float:
        return 4 if data and self._lens.fits(_look(metadata), data) else -1


class Views:
    """The addon that brings the views in."""

    name = "floway-views"

    def __init__(
        self, lenses: Sequence[Lens], profiles: Callable[[str], Profile | None] | None = None
    ) -> None:
        self.views: list[Contentview] = [
            EventsView(),
            MessageView(),
            ParityView(profiles),
            ExplainView(),
        ]
        self.views += [LensView(lens) for lens in lenses]

    def load(self, _loader: Loader) -> None:
        for view in self.views:
            contentviews.add(view)


def parity_of(
    flow: http.HTTPFlow, profiles: Callable[[str], Profile | None], name: str = ""
) -> str:
    """The parity view of a flow.

    Args:
        name: of the profile; "" for the one with which it was made.
    """
    summary = summary_of(flow)
    named = name or str(summary.get("profile", ""))
    observed = flow_recording.observed(flow)
    line = f"{flow.request.method} {flow.request.pretty_url}"
    upstream = parity.Side(line, observed.headers, observed.body)
    checked = parity.check(profiles(named) if named else None, named, observed)
    client = client_side(flow)
    if client is None:
        return checked
    return parity.shown(client, upstream, checked)


def explanation_of(flow: http.HTTPFlow, others: Sequence[http.HTTPFlow]) -> str:
    """What floway did with a flow.

    Args:
        others: flows of the same exchange.
    """
    links = [explanation.Link(each.id, each.comment) for each in others]
    return explanation.explained(
        summary_of(flow), f"{flow.request.method} {flow.request.path}", links
    )


def shipped(name: str) -> Profile | None:
    """A profile by its name or file."""
    try:
        return load(name)
    except ProfileError:
        return None


def _noticed(metadata: Metadata) -> None:
    if isinstance(metadata.flow, http.HTTPFlow):
        looked_at(metadata.flow)


def _look(metadata: Metadata) -> Look:
    flow, message = metadata.flow, metadata.http_message
    if not isinstance(flow, http.HTTPFlow):
        return Look("")
    path = flow.request.path.partition("?")[0]
    summary = summary_of(flow)
    if metadata.websocket_message is not None:
        headers = flow_recording.pairs(flow.request.headers)
        return Look(path, headers, metadata.websocket_message.from_client, True, summary)
    if message is None:
        return Look(path, (), True, False, summary)
    is_request = isinstance(message, http.Request)
    return Look(path, flow_recording.pairs(message.headers), is_request, False, summary)


def _times(metadata: Metadata) -> events.Times:
    """When the bytes of a stream were given."""
    flow = metadata.flow
    if not isinstance(flow, http.HTTPFlow) or metadata.http_message is not flow.response:
        return ()
    try:
        return [(int(size), float(after)) for size, after in flow.metadata.get(TIMES, ())]
    except (TypeError, ValueError):
        return ()
