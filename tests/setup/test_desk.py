from __future__ import annotations

import json
from pathlib import Path

import pytest

from replay.setup.desk import SetupDesk
from replay.setup.errors import SetupError
from replay.setup.targets import TARGETS, Floway, Target

FLOWAY = Floway("http://127.0.0.1:8080", "floway", ["gpt-5.5"])


@pytest.fixture
def desk(tmp_path: Path) -> SetupDesk:
    return SetupDesk(tmp_path / "state" / "setup")


def target(name: str, home: Path) -> tuple[Target, Path]:
    found = TARGETS[name](FLOWAY, {}, home)
    return found, found.file or home / ".env"


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("before", [None, "", "kept"])
def test_there_and_back(desk: SetupDesk, tmp_path: Path, name: str, before: str | None) -> None:
    made, file = target(name, tmp_path)
    text = {"json": '{ "theme" : 1 }', "toml": "theme = 1 # mine\n", "env": "A=1\n"}[made.form]
    if before is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if before else "")
        file.chmod(0o640)
    record = desk.write(made, file)
    assert file.read_text() != text
    assert file.stat().st_mode & 0o777 == (0o600 if before is None else 0o640)
    assert record.backup.exists() == (before is not None)
    undone = desk.undo(name)
    assert undone is not None
    assert undone.whole
    assert file.exists() == (before is not None)
    if before is not None:
        assert file.read_text() == (text if before else "")
    assert not record.backup.exists()
    assert desk.undo(name) is None


def test_what_was_changed_since_stays(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("claude-code", tmp_path)
    file.parent.mkdir()
    file.write_text('{"env": {"OWN": "1"}}')
    desk.write(made, file)
    data = json.loads(file.read_text())
    data["model"] = "opus"
    data["env"]["ANTHROPIC_BASE_URL"] = "http://elsewhere"
    file.write_text(json.dumps(data))
    undone = desk.undo("claude-code")
    assert undone is not None
    assert not undone.whole
    assert [leaf.name for leaf in undone.kept] == ["env.ANTHROPIC_BASE_URL"]
    assert json.loads(file.read_text()) == {
        "env": {"OWN": "1", "ANTHROPIC_BASE_URL": "http://elsewhere"},
        "model": "opus",
    }


def test_written_twice_is_undone_once(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("opencode", tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": true}')
    desk.write(made, file)
    other = Floway("http://127.0.0.1:9000", "floway", ["m-2"])
    desk.write(TARGETS["opencode"](other, {}, tmp_path), file)
    assert "9000" in file.read_text()
    undone = desk.undo("opencode")
    assert undone is not None
    assert undone.whole
    assert file.read_text() == '{"mine": true}'


def test_a_file_that_cannot_be_read_is_left_alone(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("opencode", tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text("{ // mine\n}")
    with pytest.raises(SetupError, match=r"opencode.json: .*comments are not JSON.*Nothing was"):
        desk.write(made, file)
    assert file.read_text() == "{ // mine\n}"
    assert list(file.parent.iterdir()) == [file]
    assert desk.record("opencode") is None


def test_a_link_stays_one(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("codex", tmp_path)
    file.parent.mkdir()
    real = tmp_path / "dotfiles.toml"
    real.write_text("a = 1\n")
    file.symlink_to(real)
    desk.write(made, file)
    assert file.is_symlink()
    assert "floway" in real.read_text()
    desk.undo("codex")
    assert file.is_symlink()
    assert real.read_text() == "a = 1\n"


def test_a_broken_record_says_what_to_do(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("codex", tmp_path)
    desk.write(made, file)
    (tmp_path / "state" / "setup" / "codex.json").write_text("{}")
    with pytest.raises(SetupError, match="Remove it, and undo the change by hand"):
        desk.undo("codex")


def test_without_a_backup_nothing_is_changed(desk: SetupDesk, tmp_path: Path) -> None:
    made, file = target("codex", tmp_path)
    file.parent.mkdir()
    file.write_text("a = 1\n")
    record = desk.write(made, file)
    written = file.read_text()
    record.backup.unlink()
    with pytest.raises(SetupError, match="is gone; nothing was changed"):
        desk.undo("codex")
    assert file.read_text() == written


def test_a_client_key_is_said(tmp_path: Path) -> None:
    keyed = Floway("http://10.0.0.1:8080", "own-key", ["m"])
    for name, make in TARGETS.items():
        assert "own-key" in json.dumps(make(keyed, {}, tmp_path).members), name
    members = TARGETS["codex"](FLOWAY, {}, tmp_path).members
    assert "experimental_bearer_token" not in json.dumps(members)


def test_a_client_s_own_variables_name_its_folder(tmp_path: Path) -> None:
    for name, variable in (
        ("opencode", "XDG_CONFIG_HOME"),
        ("claude-code", "CLAUDE_CONFIG_DIR"),
        ("codex", "CODEX_HOME"),
    ):
        own = TARGETS[name](FLOWAY, {variable: str(tmp_path / "own")}, tmp_path).file
        assert own is not None
        assert own.is_relative_to(tmp_path / "own")
