"""``floway profiles`` as a user types it."""

from __future__ import annotations

import json

from fingerprints.library import available


def test_list_names_every_shipped_profile(floway) -> None:
    code, out, err = floway("profiles", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [item.name for item in available()]
    assert "codex_exec" in out
    code, out, _ = floway("profiles", "list", "--json")
    assert code == 0
    data = json.loads(out)
    assert [each["name"] for each in data] == [item.name for item in available()]
    assert all("turn" in each["kinds"] and each["recorded"]["on"] for each in data)


def test_show_is_a_tree_of_what_is_sent(floway) -> None:
    code, out, err = floway("profiles", "show", "codex@0.169.0")
    assert (code, err) == (0, "")
    assert "codex@0.169.0" in out
    for text in ("turn POST /backend-api/codex/responses", "session-id session_id uuid 7"):
        assert text in out
    assert "in random order" in out
    assert "never sent" in out


def test_show_one_kind(floway) -> None:
    code, out, _ = floway("profiles", "show", "codex@0.169.0", "--only", "models")
    assert code == 0
    assert "models GET" in out
    assert "turn POST" not in out


def test_diff_reads_like_a_change_log(floway) -> None:
    code, out, err = floway("profiles", "diff", "codex@0.142.0", "codex@0.169.0")
    assert (code, err) == (0, "")
    assert out.startswith("codex@0.142.0 -> codex@0.169.0: ")
    assert "+ header:x-codex-routing-hint: added" in out
    assert "- body:instructions: removed" in out
    assert "* body:prompt_cache_key: role changed, from thread_id to session_id" in out
    assert "~ body:stream: moved" in out


def test_diff_as_json(floway) -> None:
    code, out, _ = floway(
        "profiles", "diff", "codex@0.142.0", "codex@0.169.0", "--json", "--only", "turn"
    )
    assert code == 0
    data = json.loads(out)
    assert (data["before"], data["after"]) == ("codex@0.142.0", "codex@0.169.0")
    assert {"kinds", "path", "change", "before", "after"} == set(data["changes"][0])


def test_unknown_names_are_named(floway) -> None:
    for arguments in (
        ("show", "codex@9.9.9"),
        ("diff", "codex@9.9.9", "codex@latest"),
        ("show", "codex@latest", "--only", "nope"),
        ("diff", "codex@latest", "codex@latest", "--only", "nope"),
    ):
        code, _, err = floway("profiles", *arguments)
        assert code == 2
        assert "nope" in err or "9.9.9" in err
