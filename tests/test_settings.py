"""The layers of the settings, and what a mistake in each of them is told."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.settings import Settings, is_loopback
from addons.settings_layers import SettingsError, check_listener, load, toml_line


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.upper().startswith("FLOWAY_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("FLOWAY_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    file = home / "floway.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def problems(**options: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(options)
    return list(caught.value.problems)


# --- precedence ----------------------------------------------------------------------------------


def test_defaults_need_nothing(home: Path) -> None:
    loaded = load()
    assert loaded.settings.home == home
    assert loaded.settings.hold_seconds == 10
    assert loaded.settings.hold_bytes == 64 * 1024
    assert loaded.sources["hold_seconds"] == "default"
    assert loaded.sources["home"] == "FLOWAY_HOME"
    assert loaded.warnings == ()


def test_each_layer_wins_over_the_one_below(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(home, "max_attempts = 2\nhold_seconds = 2\nhold_bytes = '2 KiB'\n")
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "3")
    monkeypatch.setenv("FLOWAY_HOLD_SECONDS", "3")
    loaded = load({"max_attempts": "4"})
    settings, sources = loaded.settings, loaded.sources
    assert (settings.max_attempts, settings.hold_seconds, settings.hold_bytes) == (4, 3, 2048)
    assert sources["max_attempts"] == "--set floway_max_attempts"
    assert sources["hold_seconds"] == "FLOWAY_HOLD_SECONDS"
    assert sources["hold_bytes"] == f"{file}, line 3"


def test_the_home_of_a_higher_layer_says_which_file_is_read(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write(home, "max_attempts = 2\n")
    write(other, "max_attempts = 3\n")
    assert load({"home": str(other)}).settings.max_attempts == 3


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_MAX_ATTEMPTS", "")
    assert load().sources["max_attempts"] == "default"


def test_settings_may_be_made_without_layers(home: Path) -> None:
    write(home, "max_attempts = 2\n")
    assert Settings(sandbox=True).max_attempts == 2
    assert Settings(max_attempts=5).max_attempts == 5


# --- one-line spellings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["A.example, b.example.", '["a.example", "b.example"]', "a.example,,b.example"]
)
def test_lists_have_two_spellings(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_FORWARD_HOSTS", text)
    assert load().settings.forward_hosts == ["a.example", "b.example"]


@pytest.mark.parametrize(
    "value",
    [
        "one=http://127.0.0.1:9/, two=https://host.example/x",
        '{"one": "http://127.0.0.1:9/", "two": "https://host.example/x"}',
        ["one=http://127.0.0.1:9/", "two=https://host.example/x"],
    ],
)
def test_upstreams_have_three_spellings(value: object) -> None:
    assert load({"upstreams": value}).settings.upstreams == {
        "one": "http://127.0.0.1:9",
        "two": "https://host.example/x",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"claude-*": "default"}),
        ("claude-haiku-*=small", {"claude-*": "default", "claude-haiku-*": "small"}),
        ("claude-*= big ,x=y", {"claude-*": "big", "x": "y"}),
    ],
)
def test_names_of_models(given: str | None, expected: dict[str, str]) -> None:
    options = {} if given is None else {"model_aliases": given}
    assert load(options).settings.model_aliases == expected


def test_accounts_have_a_table_and_a_one_line_form(home: Path) -> None:
    write(
        home,
        "[[accounts]]\nprovider = 'one'\nlabel = 'work'\nauth_file = '~/auth.json'\n"
        "[[accounts]]\nprovider = 'one'\nlabel = 'key'\napi_key = 'sk-1'\n",
    )
    work, key = load().settings.accounts
    assert work.auth_file == Path("~/auth.json").expanduser()
    assert key.api_key is not None
    assert key.api_key.get_secret_value() == "sk-1"
    (again,) = load({"accounts": ["one:work:~/auth.json"]}).settings.accounts
    assert again == work


def test_sizes_have_units() -> None:
    assert load({"hold_bytes": "128 KiB"}).settings.hold_bytes == 128 * 1024
    assert load({"hold_bytes": "4096"}).settings.hold_bytes == 4096


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("max_attempts", "0", "at least 1"),
        ("max_attempts", "many", "a whole number"),
        ("max_attempts", "2.5", "a whole number"),
        ("hold_seconds", "soon", "a number"),
        ("hold_seconds", "-1", "at least 0"),
        ("hold_seconds", "nan", "finite"),
        ("hold_seconds", "301", "at most 300"),
        ("attempt_budget_seconds", "0", "greater than 0"),
        ("hold_bytes", "12 parsec", 'a size in bytes, such as 65536 or "64 KiB"'),
        ("hold_bytes", "12", "at least 1024"),
        ("sandbox", "perhaps", "true or false"),
        ("sandbox_port", "65536", "at most 65535"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("profile", "../x", "a profile's name"),
        ("profile", "none.yaml", "there is no file"),
        ("client_os", "Debian (12)", "without ( ) and ;"),
    ],
)
@pytest.mark.parametrize("layer", ["file", "environment", "option"])
def test_a_bad_value_names_key_value_place_and_what_is_allowed(
    layer: str,
    name: str,
    value: str,
    allowed: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {}
    place = f"--set floway_{name}"
    if layer == "file":
        file = write(home, f"# first\n\n{name} = '{value}'\n")
        place = f"{file}, line 3"
    elif layer == "environment":
        monkeypatch.setenv(place := f"FLOWAY_{name.upper()}", value)
    else:
        options = {name: value}
    (problem,) = problems(**options)
    assert problem.startswith(f"{place}: {name} = {value!r} is not allowed: it ")
    assert allowed in problem


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("forward_hosts", ["ok.example", "https://x.example"], "forward_hosts[1]"),
        ("upstreams", ["one=ftp://x.example"], "upstreams.one"),
        ("upstreams", ["one=http://x.example"], "upstreams.one"),
        ("upstreams", ["one=https://u:p@x.example"], "upstreams.one"),
        ("upstreams", ["one=https://x.example:0"], "upstreams.one"),
        ("upstreams", ["one=https://x.example:port"], "upstreams.one"),
        ("upstreams", ["a b=https://x.example"], "upstreams.a b"),
        ("accounts", ["one:work"], "accounts[0]"),
        ("model_aliases", ["claude-*="], "model_aliases.claude-*"),
    ],
)
def test_a_bad_member_is_named(name: str, value: list[str], place: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"--set floway_{name}: {place} = ")
    assert "is not allowed: it must be" in problem


def test_all_mistakes_are_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "log_level = 'loud'\n")
    monkeypatch.setenv("FLOWAY_SANDBOX", "perhaps")
    assert len(problems(max_attempts="0")) == 3


def test_an_unknown_key_of_the_file_has_a_suggestion(home: Path) -> None:
    file = write(home, "sandbox = true\nhold_second = 3\nxyzzy = 1\n")
    assert problems() == [
        f"{file}, line 2: hold_second is not a setting; did you mean hold_seconds?",
        f"{file}, line 3: xyzzy is not a setting (floway config lists them)",
    ]


def test_an_unknown_option_has_a_suggestion() -> None:
    assert problems(sandbx="1") == [
        "--set floway_sandbx is not a setting; did you mean floway_sandbox?"
    ]


def test_an_unknown_variable_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWAY_SANDBX", "1")
    monkeypatch.setenv("FLOWAY_CLIENTS", "a folder of .ci/run")
    assert load().warnings == (
        "ignored: FLOWAY_SANDBX is not a setting; did you mean FLOWAY_SANDBOX?",
    )


def test_home_has_no_place_in_the_file(home: Path) -> None:
    file = write(home, "sandbox = true\nhome = '/elsewhere'\n")
    (problem,) = problems()
    assert problem.startswith(f"{file}, line 2: home cannot be set in this file")
    assert "FLOWAY_HOME" in problem


@pytest.mark.parametrize("where", ["file", "option"])
def test_home_must_be_a_directory(where: str, home: Path) -> None:
    file = home / "file"
    file.touch()
    value = "" if where == "option" else str(file)
    (problem,) = problems(home=value)
    assert "must be a directory" in problem


def test_toml_that_cannot_be_parsed_names_the_line(home: Path) -> None:
    file = write(home, "sandbox = true\nlog_level = \n")
    (problem,) = problems()
    assert problem.startswith(f"{file}: is not valid TOML: ")
    assert "line 2" in problem


def test_a_file_that_is_not_utf8_is_named(home: Path) -> None:
    (home / "floway.toml").write_bytes(b"profile = '\xff'\n")
    assert problems() == [f"{home / 'floway.toml'}: is not UTF-8 (byte 11)"]


def test_a_directory_in_place_of_the_file_is_named(home: Path) -> None:
    (home / "floway.toml").mkdir()
    (problem,) = problems()
    assert "floway.toml: cannot be read" in problem


def test_mistakes_in_an_account_name_its_line(home: Path) -> None:
    file = write(
        home,
        "[[accounts]]\nprovider = 'one'\nlabel = 'a'\nauth_file = 'x'\n\n"
        "[[accounts]]\nprovider = 'one'\nlabel = 'b'\nextra = 1\nauth_file = 'x'\n\n"
        "[[accounts]]\nprovider = 'one'\n",
    )
    assert problems() == [
        f"{file}, line 9: accounts[1].extra is not a known member",
        f"{file}, line 12: accounts[2].label is required",
    ]


@pytest.mark.parametrize("credentials", ["", "auth_file = 'x'\napi_key = 'sk-1'\n"])
def test_an_account_has_one_credential(home: Path, credentials: str) -> None:
    write(home, f"[[accounts]]\nprovider = 'one'\nlabel = 'a'\n{credentials}")
    (problem,) = problems()
    assert "accounts[0] must have either auth_file or api_key" in problem


def test_labels_of_a_provider_are_distinct() -> None:
    (problem,) = problems(accounts=["one:a:x", "two:a:x", "one:a:y"])
    assert "the label 'a' twice for 'one'" in problem


# --- secrets -------------------------------------------------------------------------------------


def test_secrets_are_in_no_message(home: Path) -> None:
    write(
        home,
        "client_keys = ['short']\n"
        "[[accounts]]\nprovider = 'one'\nlabel = 'a'\napi_key = ['topsecret']\n",
    )
    text = "\n".join(problems())
    assert "client_keys[0] = ***" in text
    assert "at least 8 printable ASCII" in text
    assert "short" not in text.replace("***", "")
    assert "topsecret" not in text


def test_secrets_are_in_no_repr() -> None:
    assert "abcdefgh" not in repr(load({"client_keys": ["abcdefgh1"]}))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_with_secrets_that_others_may_read_is_a_warning(home: Path) -> None:
    file = write(home, "client_keys = ['abcdefgh1']\n")
    assert load().warnings == ()
    file.chmod(0o644)
    assert load().warnings == (
        f"{file} holds secrets and others may read it; run: chmod 600 {file}",
    )


# --- listening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "::1%lo"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    check_listener(load().settings, host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "a.example"])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(SettingsError, match=r"client_keys is empty; set FLOWAY_CLIENT_KEYS"):
        check_listener(load().settings, host)
    check_listener(load({"client_keys": "abcdefgh1"}).settings, host)


# --- lines of the file ---------------------------------------------------------------------------

_statements = st.lists(
    st.sampled_from(["'x'", "1", "'''a\nb\n'''", "[\n 1,\n 2,\n]", "{ a = 1 }", '"a = 1"']),
    min_size=1,
    max_size=5,
)


@given(values=_statements, comments=st.booleans())
def test_toml_line_is_where_the_statement_begins(values: list[str], comments: bool) -> None:
    text, begin = "", {}
    for number, value in enumerate(values):
        if comments:
            text += f"# key{number} = 0\n\n"
        begin[number] = text.count("\n") + 1
        text += f"key{number} = {value}\n"
    assert set(tomllib.loads(text)) == {f"key{number}" for number in begin}
    for number, line in begin.items():
        assert toml_line(text, (f"key{number}",)) == line
    assert toml_line(text, ("other",)) is None
