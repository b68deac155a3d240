from __future__ import annotations

import pytest

from addons.errors import BadRequest, ClientError
from addons.front import protocols

COMPACTION = protocols.get("compaction")


def test_the_trigger_is_added_once() -> None:
    body = {"model": "m", "input": "hi", "stream": False}
    turn = COMPACTION.parse(body)
    assert [item["type"] for item in turn.body["input"]] == ["message", "compaction_trigger"]
    assert turn.stream is False
    assert body == {"model": "m", "input": "hi", "stream": False}
    again = COMPACTION.parse({"model": "m", "input": turn.body["input"]})
    assert again.body["input"] == turn.body["input"]


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
