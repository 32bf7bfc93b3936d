"""The files of TLS: what stops the start, what is told of a certificate, and one's own for the lab."""

import os
import re
import socket
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, strategies

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings, read_settings
from handlers.server.wire.certificates import read_certificate
from handlers.server.wire.self_signed import VALID_FOR, self_signed
from handlers.server.wire.tls import Tls, create_tls
from tests.support.certificates import fingerprint, issue, trusting, write, write_authority
from tests.support.client import ROOT
from tests.support.graphs import write_identity_model
from tests.support.process import FRAMEHOOK
from tests.support.server import serving
from tests.support.wire import connect_encrypted, free_port

CA = trustme.CA()
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([])


def made(not_after: datetime) -> bytes:
    """Return a certificate that expires then, in PEM."""
    builder = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(1950, 1, 1, tzinfo=UTC)).not_valid_after(not_after)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def encrypted(key: bytes) -> bytes:
    """Return a key that asks for a password."""
    loaded = serialization.load_pem_private_key(key, None)
    secret = serialization.BestAvailableEncryption(b"secret")
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


@given(strategies.datetimes(datetime(1950, 1, 2), datetime(9999, 1, 1), timezones=strategies.just(UTC)))  # noqa: DTZ001
def test_the_end_of_a_certificate_is_told(not_after: datetime) -> None:
    pem = made(not_after)
    reference = x509.load_pem_x509_certificate(pem)
    certificate = read_certificate(b"a comment\n" + pem + made(datetime(2000, 1, 1, tzinfo=UTC)))
    assert certificate.expires_at == not_after.replace(microsecond=0) == reference.not_valid_after_utc
    assert certificate.fingerprint == reference.fingerprint(hashes.SHA256()).hex(":").upper()


@given(strategies.binary(max_size=100))
def test_rubbish_is_no_certificate(rubbish: bytes) -> None:
    as_pem = ssl.DER_cert_to_PEM_cert(rubbish).encode()
    for content in (rubbish, as_pem):
        with pytest.raises(ValueError):  # noqa: PT011  # of the base64 within, too
            read_certificate(content)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tls_certificate": "x"}, "tls_certificate needs tls_key"),
        ({"tls_key": "x"}, "tls_key needs tls_certificate"),
        ({"tls_client_ca": "x"}, "tls_client_ca needs tls_certificate and tls_key"),
        ({"tls_certificate": "x", "tls_key": "y", "tls_self_signed": "true"}, "give only one of them"),
    ],
)
def test_half_of_the_settings_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_settings(given, {})


FAULTS = {
    "no certificate": ("tls_certificate", None, "tls.crt cannot be read: No such file"),
    "no key": ("tls_key", None, "tls.key cannot be read: No such file"),
    "rubbish for a certificate": ("tls_certificate", b"rubbish", "tls.crt holds no certificate in PEM"),
    "rubbish in PEM": ("tls_certificate", ssl.DER_cert_to_PEM_cert(b"\x30\x03x").encode(), "tls.crt holds no cert"),
    "rubbish for a key": ("tls_key", b"rubbish", "tls.key and the certificate .*tls.crt cannot be used"),
    "another's key": ("tls_key", issue(CA).private_key_pem.bytes(), "tls.key does not belong to the certificate"),
    "encrypted key": ("tls_key", encrypted(issue(CA).private_key_pem.bytes()), "tls.key is encrypted"),
    "certificate for a key": ("tls_key", made(datetime(2030, 1, 1, tzinfo=UTC)), "cannot be used"),
    "no authority": ("tls_client_ca", None, "ca.crt cannot be read: No such file"),
    "rubbish for an authority": ("tls_client_ca", b"", "ca.crt holds no certificate in PEM"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_files_that_cannot_be_served_are_named(fault: str, tmp_path: Path) -> None:
    setting, content, message = FAULTS[fault]
    files = write(issue(CA), tmp_path) | write_authority(CA, tmp_path)
    create_tls(Settings(**files))
    files[setting].unlink() if content is None else files[setting].write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as refused:
        create_tls(Settings(**files))
    assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_the_start_is_stopped_in_one_line(command: str, tmp_path: Path) -> None:
    files = write(issue(CA), tmp_path)
    files["tls_key"].write_bytes(encrypted(files["tls_key"].read_bytes()))
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    run = subprocess.run([FRAMEHOOK, command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert re.fullmatch("framehook: The key .*tls.key is encrypted; .*\n", run.stderr)


def test_check_tells_of_the_certificate(tmp_path: Path) -> None:
    certificate = issue(CA)
    options = [f"--{name.replace('_', '-')}={path}" for name, path in write(certificate, tmp_path).items()]
    run = subprocess.run([FRAMEHOOK, "check", *options], capture_output=True, text=True, timeout=60, check=True)
    assert f"SHA-256 {fingerprint(certificate)}" in run.stdout


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=15), []),
        (timedelta(days=13), ["certificate expires soon"]),
        (timedelta(days=-1), ["certificate has expired"]),
    ],
    ids=["not soon", "soon", "expired"],
)
def test_the_end_is_told_once(
    left: timedelta, said: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"tls_certificate": tmp_path / "tls.crt", "tls_key": tmp_path / "tls.key"}
    files["tls_certificate"].write_bytes(made(datetime.now(UTC) + left))
    files["tls_key"].write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = create_tls(Settings(**files))
    assert isinstance(tls, Tls)
    tls.renew()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == said


def test_a_certificate_of_ones_own_is_for_this_machine_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    certificate_path, key_path = self_signed(folder, "10.1.2.3")
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", socket.gethostname()} == set(names.get_values_for_type(x509.DNSName))
    addresses = {ip_address(text) for text in ("127.0.0.1", "::1", "10.1.2.3")}
    assert addresses == set(names.get_values_for_type(x509.IPAddress))
    assert VALID_FOR - timedelta(hours=1) < certificate.not_valid_after_utc - datetime.now(UTC) <= VALID_FOR
    first = certificate_path.read_bytes()
    for host in ("10.1.2.3", "0.0.0.0", "127.0.0.1"):
        assert self_signed(folder, host) == (certificate_path, key_path)
        assert certificate_path.read_bytes() == first
    self_signed(folder, "10.1.2.4")
    assert certificate_path.read_bytes() != first
    assert {path.name for path in folder.iterdir()} == {certificate_path.name, key_path.name}


@pytest.mark.parametrize("content", [b"rubbish", made(datetime(2020, 1, 1, tzinfo=UTC))], ids=["rubbish", "expired"])
def test_what_holds_no_more_is_made_anew(content: bytes, tmp_path: Path) -> None:
    certificate_path, _ = self_signed(tmp_path, "127.0.0.1")
    certificate_path.write_bytes(content)
    tls = create_tls(Settings(tls_self_signed=True, tls_folder=tmp_path))
    assert tls
    assert tls.served.certificate.expires_at > datetime.now(UTC)


def test_the_service_serves_with_one_of_its_own(tmp_path: Path) -> None:
    path, _ = self_signed(tmp_path, "127.0.0.1")
    trusted = ssl.create_default_context(cafile=str(path))
    model = write_identity_model(tmp_path / "models")
    for _ in range(2):
        with serving(model, trusted=trusted, tls_self_signed=True, tls_folder=tmp_path) as live:
            assert live.client.get("/health/ready").status_code == 200
            with connect_encrypted(live.port, trusted) as connection:
                assert fingerprint(connection) == read_certificate(path.read_bytes()).fingerprint


def test_it_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ImportError('not installed')")
    command: list[str | Path] = [FRAMEHOOK, "serve", "--tls-self-signed", "--tls-folder", tmp_path / "state"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert run.returncode == 1
    message = "framehook: A self-signed certificate needs cryptography: pip install 'framehook[self-signed]'.\n"
    assert run.stderr == message


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError, match="The folder /proc/nowhere cannot hold a certificate"):
        create_tls(Settings(tls_self_signed=True, tls_folder=Path("/proc/nowhere")))


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/x"}, "/state/framehook"),
        ({"HOME": "/home/x"}, "/home/x/.local/state/framehook"),
        ({}, "/.local/state/framehook"),
    ],
)
def test_the_folder_is_where_a_users_state_lies(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings().tls_folder == Path(folder)


def probe(port: int, **variables: object) -> int:
    """Return the status with which the image's probe ends."""
    environment = {f"FRAMEHOOK_{name.upper()}": str(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-m", "handlers.server.probe"],
        env={**os.environ, **environment, "FRAMEHOOK_PORT": str(port)},
        cwd=ROOT,
        timeout=20,
        check=False,
    ).returncode


def test_the_probe_tells_whether_the_service_is_ready(tmp_path: Path) -> None:
    files = write(issue(CA), tmp_path)
    model = write_identity_model(tmp_path / "models")
    with serving(model) as live:
        assert probe(live.port) == 0
        live.terminate()
        assert probe(live.port) == 1
    assert probe(free_port()) == 1
    with serving(model, trusted=trusting(CA), **files) as live:
        assert probe(live.port, **files) == 0
        assert probe(live.port, tls_self_signed="true") == 0
        assert probe(live.port) == 1
    client_ca = write_authority(CA, tmp_path)
    with serving(model, trusted=trusting(CA, issue(CA)), **files, **client_ca) as live:
        assert probe(live.port, **files, **client_ca) == 0
    assert probe(free_port(), **files, **client_ca) == 1


def test_the_image_is_probed_by_it() -> None:
    assert 'CMD ["python", "-m", "handlers.server.probe"]' in (ROOT / "Dockerfile").read_text()
