"""What a line may hold after it was masked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.operate.logs import mask as module
from addons.operate.logs.mask import KEY_BYTES, KEY_FILE, MOST_CHARACTERS, UNMASKABLE, Mask, key_of

SALT = b"s" * KEY_BYTES
SECRET = "opaque-value-of-a-client"


def test_equal_secrets_stay_equal_and_others_do_not() -> None:
    mask = Mask(SALT)
    first, again, other = (
        mask.line(f"Bearer {token}") for token in ("abcdefgh12345", "abcdefgh12345", "zyxwvuts5432")
    )
    assert first == again != other
    assert Mask(b"t" * KEY_BYTES).line("Bearer abcdefgh12345") != first


def test_what_is_known_is_masked_wherever_it_stands() -> None:
    mask = Mask(SALT)
    assert SECRET in mask.word(f"x{SECRET}y")
    mask.know(SECRET)
    assert SECRET not in mask.word(f"x{SECRET}y")
    assert SECRET not in str(mask.value({"a": [f"{SECRET}!"]}))
    assert SECRET not in mask.redactor().masked(SECRET)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ((b"Authorization", f"Bearer {SECRET}".encode()), "secret"),
        ((b"x-api-key", SECRET.encode()), "secret"),
        ((b"cookie", f"a=b; session={SECRET}".encode()), "secret"),
        ((b"chatgpt-account-id", SECRET.encode()), "account"),
    ],
)
def test_headers_teach_what_is_secret(header: tuple[bytes, bytes], kind: str) -> None:
    mask = Mask(SALT)
    mask.learn([(b"accept", b"a-value-of-no-secret"), header])
    assert f"⟨{kind}:" in mask.line(f"the upstream said: {SECRET}")
    assert mask.line("a-value-of-no-secret") == "a-value-of-no-secret"


def test_paths_of_the_person_are_told_and_those_of_clients_are_not() -> None:
    mask = Mask(SALT)
    mask.show([Path("/home/joe/.state/floway")])
    line = "'/home/joe/.state/floway/x.json', '/home/joe/.state/floway-2', '/home/joe/work/secret'"
    told = mask.line(line)
    assert "'/home/joe/.state/floway/x.json'" in told
    assert "floway-2" not in told
    assert "secret" not in told
    assert mask.line(line, paths=False) == line


def test_a_path_of_the_person_hides_no_secret_behind_it() -> None:
    mask = Mask(SALT)
    mask.show([Path("/home/joe/state")])
    assert "abcdefgh1234" not in mask.line("/home/joe/state/x Bearer abcdefgh1234")
    assert mask.line("a \0" + "0\0 b") == "a \0" + "0\0 b"


def test_tracebacks_name_files_as_their_packages_do() -> None:
    mask = Mask(SALT)
    here = Path(module.__file__)
    told = mask.line(f'Traceback:\n  File "{here}", line 3, in line\n  File "{pytest.__file__}"')
    assert 'File "addons/operate/logs/mask.py", line 3' in told
    assert 'File "pytest/__init__.py"' in told


def test_a_line_is_bounded() -> None:
    told = Mask(SALT).line("word " * MOST_CHARACTERS)
    assert len(told) < MOST_CHARACTERS + 100
    assert told.endswith("characters)")


def test_what_can_not_be_masked_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = Mask(SALT)
    monkeypatch.setattr(mask._redactor, "masked", None)
    monkeypatch.setattr(mask._redactor, "redact", None)
    assert mask.line("x") == mask.value("x") == UNMASKABLE


def test_a_line_in_the_midst_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the garbage collector finds a task that failed."""
    mask = Mask(SALT)
    masked = mask._redactor.masked

    def interrupted(text: str) -> str:
        return masked(text) if text == "inner" else masked(text) + mask.line("inner")

    monkeypatch.setattr(mask._redactor, "masked", interrupted)
    told: list[str] = []
    thread = threading.Thread(target=lambda: told.append(mask.line("outer ")), daemon=True)
    thread.start()
    thread.join(10)
    assert told == ["outer inner"]


@given(st.text(max_size=300))
def test_masking_again_changes_nothing(text: str) -> None:
    mask = Mask(SALT)
    once = mask.line(text)
    assert mask.line(once) == once


def test_the_key_is_kept_for_its_owner(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = key_of(home)
    assert key_of(home) == key
    assert len(key) == KEY_BYTES
    assert (home / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_home_without_a_key_that_can_be_used_has_a_new_one_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert key_of(tmp_path / "file") != key_of(tmp_path / "file")
    (tmp_path / KEY_FILE).write_bytes(b"short")
    assert len(key_of(tmp_path)) == KEY_BYTES
