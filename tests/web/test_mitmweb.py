"""mitmweb, looked at in a browser: what a person finds out about a request in a minute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from replay.child import free_port
from replay.floway_process import MITMDUMP
from tests.floway_process import Floway, running_floway, until
from tests.web.mitmweb import MITMWEB, Mitmweb, chromium, opened, options

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine"),
]

SAID = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def floway(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Floway]:
    home = tmp_path_factory.mktemp("web")
    program = MITMDUMP.with_name(MITMWEB)
    with running_floway(home, program=program, **options(port)) as floway:
        yield floway


@pytest.fixture(scope="module")
def page(floway: Floway, port: int) -> Iterator[Mitmweb]:
    with opened(port) as page:
        page.show("Command Bar")
        yield page


@pytest.fixture
def web(floway: Floway, page: Mitmweb) -> Mitmweb:
    """The page, with nothing in the list and all accounts ready."""
    floway.sandbox.forget()
    page.run("floway.cooldown.clear")
    page.run("view.clear")
    page.wait_for_rows(0)
    return page


def chat(floway: Floway, text: str = "Say hello.", **more: object) -> httpx.Response:
    said = {**SAID, "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{floway.base_url}/chat/completions", json=said, trust_env=False, timeout=30)


def serving(floway: Floway) -> str:
    """Label of the account that serves a conversation that has begun."""
    return str(floway.sandbox.requests("/backend-api/codex/responses")[-1]["account"])


def test_an_exhausted_account_is_understood(floway: Floway, web: Mitmweb) -> None:
    chat(floway, "Who has run out?")
    first = serving(floway)
    fault = {"kind": "preset", "preset": "usage_limit_reached"}
    floway.sandbox.fault(fault, times=None, account=first)
    assert chat(floway, "Who has run out?").status_code == 200
    web.wait_for_rows(3)
    web.wait_for_row("🔀")
    assert f"attempt 1 · {first}" in web.wait_for_row("🔴")
    second = serving(floway)

    web.select("🔀")
    web.tab("Comment")
    assert f"{second} · codex@0.169.0 · attempt 2/" in web.detail.inner_text()
    web.tab("Request")
    told = web.run("floway.explain @focus")
    assert f"{first} HTTP 429 NextAccount usage_limit_reached" in told
    assert f"{second} HTTP 200 Commit" in told
    web.choose_view("floway explain")
    assert f"attempt 1 · {first} · not given to the client" in web.content("Attempts that failed")
    assert f"codex:{first} cools until" in web.run("floway.accounts")

    web.select("🔴")
    assert second in web.run("floway.explain @focus").partition("it went on as")[2]
    web.tab("Response")
    assert "usage_limit_reached" in web.content("usage_limit_reached")


def test_each_view(floway: Floway, web: Mitmweb) -> None:
    chat(floway, stream=True)
    web.wait_for_rows(1)
    web.select("responses")
    web.tab("Request")
    web.choose_view("auto")
    shown = web.content("Turn metadata")
    assert "derived from the content" in shown
    assert "prompt_cache_key" in shown
    web.choose_view("floway parity")
    shown = web.content("Check against codex@0.169.0")
    assert "same: the release would send this" in shown
    assert "client    POST /v1/chat/completions" in shown
    assert "Bearer ⟨" in shown
    web.choose_view("auto")
    web.tab("Response")
    shown = web.content("── Events")
    assert "You said: Say hello." in shown
    assert "finish_reason: stop" in shown
    assert " s  chat.completion.chunk" in shown


def test_focus_follows_to_a_request_without_a_body(floway: Floway, web: Mitmweb) -> None:
    chat(floway)
    httpx.get(f"{floway.base_url}/models", trust_env=False, timeout=30)
    web.wait_for_rows(2)
    web.select("/v1/models")
    web.tab("Request")
    web.choose_view("auto")
    web.content("── Request")
    assert "GET /v1/models" in web.run("floway.explain @focus")
    web.tab("Response")
    assert "gpt-5.5" in web.content("gpt-5.5"), "an answer that floway made itself"


def test_another_release_would_send_something_else(floway: Floway, web: Mitmweb) -> None:
    chat(floway)
    web.wait_for_rows(1)
    assert web.run("floway.check @all").endswith('["1 checked, 0 differ"]')
    web.select("responses")
    told = web.run("floway.diff @focus codex@0.142.0")
    assert "differences" in told.partition("Check against codex@0.142.0: ")[2]
    web.show("Event Log")
    assert "── Check against codex@0.142.0: " in web.log("Check against codex@0.142.0")
    web.hide("Event Log")


def test_cursor_s_answers_are_there(floway: Floway, web: Mitmweb) -> None:
    assert chat(floway, model="cursor/gpt-5.2", stream=True).status_code == 200
    web.wait_for_rows(1)
    web.select("chat/completions")
    web.tab("Response")
    assert "chat.completion.chunk" in web.content("── Events")
    assert "provider cursor" in web.run("floway.explain @focus")


def test_replay_with_one_account(floway: Floway, web: Mitmweb) -> None:
    chat(floway, "Once more.")
    web.wait_for_rows(1)
    usual = serving(floway)
    other = next(each for each in ("ada", "ben", "cleo") if each != usual)
    web.select("responses")
    assert "is sent again" in web.run(f"floway.replay @focus {other}")
    assert "replay · " in web.wait_for_row("🔁")
    assert len(web.rows()) == 2
    until(lambda: serving(floway) == other, what="the replay reaches the other account")
    (one, two) = floway.sandbox.requests("/backend-api/codex/responses")
    assert [each["status"] for each in (one, two)] == [200, 200]
    chat(floway, "Once more.")
    web.wait_for_rows(3)
    assert serving(floway) == usual, "the conversation has not moved"
    assert "codex has no account 'kim'" in web.run("floway.replay @focus kim")


def test_replay_in_the_form_of_another_release(floway: Floway, web: Mitmweb) -> None:
    chat(floway, "As it was then.")
    web.wait_for_rows(1)
    web.select("responses")
    floway.sandbox.gate("codex@0.142.0")
    try:
        web.run("floway.replay @focus any codex@0.142.0")
        web.wait_for_row("codex@0.142.0")
        until(
            lambda: len(floway.sandbox.requests("/backend-api/codex/responses")) == 2,
            what="the replay reaches the upstream",
        )
        last = floway.sandbox.requests("/backend-api/codex/responses")[-1]
        assert last["status"] == 200, "the gate takes it for that release's"
        assert "x-floway-replay" not in str(last).lower()
    finally:
        floway.sandbox.gate("codex@0.169.0")


def test_filters_and_completion(floway: Floway, web: Mitmweb) -> None:
    chat(floway)
    assert chat(floway, messages="none").status_code == 400
    web.wait_for_rows(2)
    offered = web.offered("floway.")
    for name in ("floway.explain", "floway.replay", "floway.export.trace"):
        assert name in offered
    web.filter("~comment invalid_type")
    assert "⛔" in web.wait_for_rows(1)[0]
    web.filter("~marked")
    web.wait_for_rows(1)
    web.filter("")
    web.wait_for_rows(2)


def test_an_exported_trace(floway: Floway, web: Mitmweb, tmp_path: Path) -> None:
    chat(floway)
    web.wait_for_rows(1)
    file = tmp_path / "one.trace"
    assert "requests written" in web.run(f"floway.export.trace @all {file}")
    assert "⟨" in file.read_text()
    assert "Bearer ey" not in file.read_text()
