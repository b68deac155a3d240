"""The commands ``floway.…`` of mitmweb and the console. Thin: texts are made by the views.

What a command says is its result, as lines: the console shows them as rows of an overlay that can
be scrolled. mitmweb's command bar puts them all on one line, so there they are told in the event
log as well. What takes time is done in a task, and told there alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from logging import INFO
from pathlib import Path
from typing import Final

import httpx
from mitmproxy import ctx, exceptions, flow, http, types
from mitmproxy.hooks import UpdateHook
from mitmproxy.log import ALERT

from addons.accounts.errors import AccountError
from addons.accounts.wording import duration, moment
from addons.debug import flow_recording
from addons.debug.command import named
from addons.debug.description import DIFFERS, TRIMMED, summary_of
from addons.debug.focus import related, the_list
from addons.debug.replaying import Replays
from addons.debug.views import frames
from addons.debug.views.contentviews import explanation_of, parity_of
from addons.operate.contract import Operated
from addons.operate.desk import Desk
from addons.operate.errors import ControlError
from fingerprints import library, trace_file
from fingerprints.capture import Capture, Recording
from fingerprints.check import check_request
from fingerprints.profile import Profile
from fingerprints.trace import Origin

logger = logging.getLogger(__name__)

ANY: Final = "any"
"""In the place of an account's name: none in particular. (mitmproxy has no empty choice.)"""

type Profiles = Callable[[str], Profile | None]


class Commands:
    """
    Args:
        profiles: a profile by its name or file.
        desk: steers accounts; None before floway is ready.
        operated: the providers of this process.
        replays: sends requests again.
        clock: unix seconds.
    """

    name = "floway-commands"

    def __init__(
        self,
        profiles: Profiles,
        desk: Callable[[], Desk | None],
        operated: Callable[[], Sequence[Operated]],
        clock: Callable[[], float],
        replays: Replays,
    ) -> None:
        self._profiles = profiles
        self._desk = desk
        self._operated = operated
        self._clock = clock
        self._replays = replays
        self._tasks: set[asyncio.Task[None]] = set()

    def done(self) -> None:
        for task in self._tasks:
            task.cancel()

    # --- completion --------------------------------------------------------------------------

    @named("floway.options.accounts")
    def account_names(self) -> Sequence[str]:
        """Names of the accounts, and `any`, for completion."""
        names = [each.label for operated in self._operated() for each in operated.pool.accounts]
        return [ANY, *names]

    @named("floway.options.profiles")
    def profile_names(self) -> Sequence[str]:
        """Names of the shipped profiles, for completion."""
        return [each.name for each in library.available()]

    # --- looking -----------------------------------------------------------------------------

    @named("floway.explain")
    def explain(self, flow: flow.Flow) -> Sequence[str]:
        """Say what floway did with a request: route, conversation, account, attempts, cache."""
        found = _http(flow)
        return _told(explanation_of(found, related(found)))

    @named("floway.diff", profile=types.Choice("floway.options.profiles"))
    def diff(self, flow: flow.Flow, profile: str = "") -> Sequence[str]:
        """Show a request as it came beside what left, and check that against a profile; empty:
        the one with which it was made."""
        if profile and self._profiles(profile) is None:
            raise exceptions.CommandError(
                f"there is no profile {profile!r}; floway.options.profiles lists them"
            )
        return _told(parity_of(_http(flow), self._profiles, profile))

    @named("floway.check")
    def check(self, flows: Sequence[flow.Flow]) -> Sequence[str]:
        """Check what left against the profile, and mark the flows that differ."""
        checked: int = 0
        differing: list[str] = []
        for each in flows:
            differences = self._differences(each)
            if differences is None:
                continue
            checked += 1
            if differences:
                differing.append(f"@{each.id} {len(differences)}: {differences[0]}")
                each.marked = each.marked or DIFFERS
        ctx.master.addons.trigger(UpdateHook(flows))
        return _told("\n".join([f"{checked} checked, {len(differing)} differ", *differing]))

    def _differences(self, each: flow.Flow) -> list[str] | None:
        if not isinstance(each, http.HTTPFlow):
            return None
        name = str(summary_of(each).get("profile", ""))
        profile = self._profiles(name) if name else None
        if profile is None:
            return None
        found = check_request(profile, flow_recording.observed(each))
        return [str(difference) for difference in found]

    @named("floway.websocket")
    def websocket(self, flow: flow.Flow) -> Sequence[str]:
        """Show the messages of a WebSocket, folded by response."""
        found = _http(flow)
        if found.websocket is None:
            raise exceptions.CommandError("this flow is no WebSocket")
        begin = found.request.timestamp_start
        told = frames.folded(
            frames.Message(each.from_client, each.content, each.timestamp - begin, each.is_text)
            for each in found.websocket.messages
        )
        gone = found.metadata.get(TRIMMED)
        if gone:
            note = (
                f"{gone} earlier messages are no longer kept; see the setting websocket_keep_bytes"
            )
            told = f"{note}\n{told}"
        return _told(told or "no messages")

    @named("floway.session")
    def session(self, flow: flow.Flow) -> Sequence[str]:
        """Show the other requests of a flow's conversation."""
        own = summary_of(_http(flow)).get("conversation")
        if not own:
            raise exceptions.CommandError("this flow belongs to no conversation")
        flows = [
            each
            for each in (the_list() or ())
            if isinstance(each, http.HTTPFlow) and summary_of(each).get("conversation") == own
        ]
        lines = [f"{own}: {len(flows)} requests in the list"]
        lines += [f"{_time(each)}  @{each.id}  {each.comment}" for each in flows]
        return _told("\n".join(lines))

    @named(
        "floway.replay",
        account=types.Choice("floway.options.accounts"),
        profile=types.Choice("floway.options.profiles"),
    )
    def replay(self, flow: flow.Flow, account: str = ANY, profile: str = "") -> Sequence[str]:
        """Send the client's request again, through all of floway; perhaps with one account only,
        or in the form of another profile."""
        found, account = _http(flow), _one(account)
        provider = summary_of(found).get("provider")
        names = [
            each.label
            for operated in self._operated()
            if operated.provider == provider
            for each in operated.pool.accounts
        ]
        if account and account not in names:
            raise exceptions.CommandError(
                f"{provider} has no account {account!r}; it has {', '.join(names) or 'none'}"
            )
        if profile and not {"profile", "model"} <= summary_of(found).keys():
            raise exceptions.CommandError(
                "only model requests whose provider goes by profiles can be sent in another form; "
                "leave the profile out"
            )
        try:
            request = self._replays.prepare(found, account, profile)
        except ValueError as error:
            raise exceptions.CommandError(str(error)) from error
        line = f"{request.method} {request.url.path}"
        self._start(self._replays.send(request), lambda status: f"{line} again: HTTP {status}")
        return _told(f"{line} is sent again; its flow's comment begins with `replay`")

    # --- accounts ----------------------------------------------------------------------------

    @named("floway.accounts")
    def accounts(self) -> Sequence[str]:
        """Show the accounts: which can serve, which cool, until when and why."""
        now, lines = self._clock(), []
        for operated in self._operated():
            pool = operated.pool
            cooling = {each.handle: each for each in pool.cooldowns if each.until > now}
            for account in pool.accounts:
                told = account.reason or account.state.value
                cooldown = cooling.get(account.handle)
                if cooldown is not None:
                    left = duration(cooldown.until - now)
                    told = f"cools until {moment(cooldown.until)} ({left}): {cooldown.reason}"
                pinned = " (pinned)" if pool.pinned == account.handle else ""
                lines.append(f"{operated.provider}:{account.label}{pinned}  {told}")
        return _told("\n".join(lines) or "no accounts")

    @named("floway.use", account=types.Choice("floway.options.accounts"))
    def use(self, account: str = ANY) -> None:
        """Send every conversation to one account, while it can serve; any: as before."""
        desk, account = self._ready(), _one(account)
        told = f"every conversation goes to {account}" if account else "accounts are chosen again"
        self._start(desk.pin(account) if account else desk.unpin(), lambda _: told)

    @named("floway.cooldown.clear", account=types.Choice("floway.options.accounts"))
    def clear(self, account: str = ANY) -> None:
        """Ask an account again at once; any: all of them."""
        account = _one(account)
        told = f"{account or 'every account'} is asked again"
        self._start(self._ready().clear_cooldowns(account), lambda _: told)

    def _ready(self) -> Desk:
        desk = self._desk()
        if desk is None:
            raise exceptions.CommandError("floway is not ready yet")
        return desk

    def _start[T](self, work: Awaitable[T], told: Callable[[T], str]) -> None:
        async def run() -> None:
            try:
                result = await work
            except (ControlError, AccountError, httpx.HTTPError) as error:
                logger.warning("floway: %s", error)
            else:
                # The console has a line for alerts; mitmweb's log leaves them out.
                logger.log(INFO if _in_mitmweb() else ALERT, "floway: %s", told(result))

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- files -------------------------------------------------------------------------------

    @named("floway.export.trace")
    def export_trace(self, flows: Sequence[flow.Flow], path: types.Path) -> Sequence[str]:
        """Write flows as a trace without secrets, for `floway check` and `floway diff`."""
        capture = Capture(
            client="floway",
            release="",
            scenario="exported",
            origin=Origin(tool="mitmproxy", on=datetime.now(UTC).date().isoformat(), run=1),
        )
        count = 0
        for each in flows:
            if isinstance(each, http.HTTPFlow):
                capture.add(_recording(each))
                count += 1
        file = Path(str(path)).expanduser()
        try:
            file.write_text(trace_file.render(capture.trace()), encoding="utf-8")
        except OSError as error:
            raise exceptions.CommandError(f"{file} can't be written: {error.strerror}") from error
        return _told(f"requests written to {file}: {count}")


def _one(account: str) -> str:
    """The account that is named; "" for none in particular."""
    return "" if account == ANY else account


def _told(text: str) -> list[str]:
    """The result of a command."""
    if _in_mitmweb():
        logger.info("%s", text)
    return text.splitlines()


def _in_mitmweb() -> bool:
    return ctx.master.addons.get("webaddon") is not None


def _recording(found: http.HTTPFlow) -> Recording:
    """What left for a flow."""
    recording = flow_recording.of_request(found)
    recording.http_version, recording.headers = flow_recording.as_sent(found)
    recording.body = found.request.raw_content
    if found.response is not None:
        recording.answer = flow_recording.of_response(found.response)
    if found.websocket is not None:
        for message in found.websocket.messages:
            recording.say(flow_recording.of_message(message))
        if recording.answer is not None:
            flow_recording.closed(recording.answer, found.websocket)
    return recording


def _http(found: flow.Flow) -> http.HTTPFlow:
    if not isinstance(found, http.HTTPFlow):
        raise exceptions.CommandError("this is no HTTP flow")
    return found


def _time(found: http.HTTPFlow) -> str:
    begin = datetime.fromtimestamp(found.request.timestamp_start)
    return begin.strftime("%H:%M:%S")
