from __future__ import annotations

import pytest

from addons.errors import BadRequest, ClientError
from addons.front import protocols
from addons.front.sse import ServerEvent

COMPACTION = protocols.get("compaction")


def test_the_trigger_is_added_once() -> None:
    body = {"model": "m", "input": "hi", "stream": False}
    turn = COMPACTION.parse(body)
    assert [item["type"] for item in turn.body["input"]] == ["message", "compaction_trigger"]
    assert turn.stream is False
    assert body == {"model": "m", "input": "hi", "stream": False}
    again = COMPACTION.parse({"model": "m", "input": turn.body["input"]})
    assert again.body["input"] == turn.body["input"]
    more = {"type": "compaction_trigger", "reason": "full"}
    own = COMPACTION.parse({"model": "m", "input": [more]})
    assert own.body["input"] == [more]


def test_a_history_that_the_upstream_has() -> None:
    turn = COMPACTION.parse({"model": "m", "previous_response_id": "resp_1"})
    assert turn.body["input"] == [{"type": "compaction_trigger"}]


@pytest.mark.parametrize(
    "body",
    [{}, {"model": "m"}, {"model": "m", "input": 7}, {"model": "m", "input": [7]}, {"model": 1}],
)
def test_what_is_no_request(body: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as caught:
        COMPACTION.parse(body)
    assert caught.value.param


def test_errors_are_those_of_responses() -> None:
    error = BadRequest("x", "No.")
    assert COMPACTION.error(error) == protocols.get("responses").error(error)


def test_a_stream_would_be_that_of_responses() -> None:
    """Nothing streams a compaction, but whoever passes an error on needs its words."""
    renderer = COMPACTION.renderer(COMPACTION.parse({"model": "m", "input": "hi"}), {})
    own = protocols.get("responses").renderer(COMPACTION.parse({"model": "m", "input": "hi"}), {})
    event = {"type": "response.created", "sequence_number": 0, "response": {"id": "r"}}
    assert renderer.event(event) == own.event(event)
    passed = ServerEvent(b"data: {}\n\n", "", b"{}")
    assert renderer.passed(passed) == own.passed(passed) == passed.raw
    assert renderer.failed(ClientError(502, "x", "m")) == own.failed(ClientError(502, "x", "m"))
    assert renderer.finish() == own.finish()


def test_the_answer_is_its_compaction() -> None:
    turn = COMPACTION.parse({"model": "m", "input": "hi"})
    renderer = COMPACTION.renderer(turn, {})
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "opaque"}
    response = {"id": "resp_1", "status": "completed", "output": [{"type": "reasoning"}, item]}
    whole = renderer.whole(response)
    assert whole == {
        "id": "resp_1",
        "object": "response.compaction",
        "output": [item],
        "usage": None,
    }


def test_errors() -> None:
    with pytest.raises(BadRequest, match="`stream`"):
        COMPACTION.parse({"model": "m", "input": "hi", "stream": True})
    renderer = COMPACTION.renderer(COMPACTION.parse({"model": "m", "input": "hi"}), {})
    with pytest.raises(ClientError, match="without a compaction item"):
        renderer.whole({"status": "completed", "output": []})
    with pytest.raises(ClientError, match="busy"):
        renderer.whole({"status": "failed", "error": {"code": "slow_down", "message": "busy"}})
