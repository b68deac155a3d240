from __future__ import annotations

import pytest

from addons.providers.cursor.proto.agent_pb2 import InteractionQuery, InteractionResponse
from addons.providers.cursor.run import run_queries

QUESTIONS = list(InteractionQuery.DESCRIPTOR.oneofs_by_name["query"].fields)
EMPTY = {"pr_management_request_query", "replace_env_args", "connect_scm_request_query"}


def asked(kind: str) -> InteractionQuery:
    query = InteractionQuery(id=5)
    getattr(query, kind).SetInParent()
    return query


@pytest.mark.parametrize("field", QUESTIONS, ids=lambda field: field.name)
def test_every_kind_is_answered_with_its_id_in_its_place(field: object) -> None:
    name, number = field.name, field.number  # type: ignore[attr-defined]
    query = asked(name)
    answer = run_queries.answer(query)
    assert answer.id == 5
    word = answer.WhichOneof("result")
    assert word is not None
    assert InteractionResponse.DESCRIPTOR.fields_by_name[word].number == number
    told = run_queries.REASON.encode() in answer.SerializeToString()
    assert told == (name not in EMPTY | {"setup_vm_environment_args"})
    assert run_queries.has_refusal(query) == (name not in EMPTY)


@pytest.mark.parametrize("number", [15, 16, 40, 5000])
def test_a_question_of_a_newer_kind_gets_an_empty_answer_of_its_number(number: int) -> None:
    tag = number << 3 | 2
    coded = bytearray()
    while tag > 0x7F:
        coded.append(tag & 0x7F | 0x80)
        tag >>= 7
    field = bytes([*coded, tag])
    query = InteractionQuery.FromString(b"\x08\x05" + field + b"\x03abc")
    assert run_queries.kind(query) == "unknown"
    assert not run_queries.has_refusal(query)
    assert run_queries.answer(query).SerializeToString() == b"\x08\x05" + field + b"\x00"


def test_a_question_without_a_question_is_answered() -> None:
    assert run_queries.answer(InteractionQuery(id=6)) == InteractionResponse(id=6)
