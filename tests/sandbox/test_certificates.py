"""The sandbox's certificates."""

from __future__ import annotations

import datetime
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from replay.sandbox import certificates
from replay.sandbox.certificates import ensure_certificates


def leaf(files: certificates.Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.leaf_file.read_bytes())


def test_made_once_and_used_again(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "sandbox"
    first = leaf(ensure_certificates(home))
    assert leaf(ensure_certificates(home)) == first
    for name in ("leaf-key.pem", "ca-key.pem"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("name", ["ca.pem", "leaf.pem", "leaf-key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_damage_is_mended(tmp_path: Path, name: str, content: bytes | None) -> None:
    files = ensure_certificates(tmp_path)
    before = leaf(files)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    files = ensure_certificates(tmp_path)
    assert leaf(files) != before
    files.server_context()
    ssl.create_default_context(cafile=str(files.ca_file))


def test_parts_of_two_makings_do_not_stay_together(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    ensure_certificates(one)
    ensure_certificates(other)
    (one / "ca.pem").write_bytes((other / "ca.pem").read_bytes())
    files = ensure_certificates(one)
    authority = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
    leaf(files).verify_directly_issued_by(authority)


def test_first_starts_at_once_end_with_files_that_fit(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: leaf(ensure_certificates(tmp_path)), range(8)))
    assert set(made) == {made[0]}


def test_renewed_before_the_end_and_for_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = leaf(ensure_certificates(tmp_path))
    named = leaf(ensure_certificates(tmp_path, host="sandbox.example.com"))
    assert named != first
    assert leaf(ensure_certificates(tmp_path)) == named  # it has loopback as well
    monkeypatch.setattr(certificates, "RENEW_BEFORE", datetime.timedelta(days=400))
    assert leaf(ensure_certificates(tmp_path)) != named


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OSError, match="file"):
        ensure_certificates(file / "sandbox")
