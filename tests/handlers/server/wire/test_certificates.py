"""The files of TLS: what stops the start, what is reported about a certificate, and the self-signed one for the lab."""

import hashlib
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
from handlers.server.settings import Settings
from handlers.server.settings_sources import read_settings
from handlers.server.wire.certificates import VALID_FOR, read_certificate
from handlers.server.wire.self_signed import self_signed, state_folder
from handlers.server.wire.tls import Tls, create_tls
from lab.graphs import write_identity_model
from lab.wire import connect_encrypted, refusing
from tests.support.certificates import fingerprint, issue, trusting, write, write_authority
from tests.support.client import ROOT
from tests.support.process import FRAMEHOOK
from tests.support.server import serving
from tests.support.waiting import PATIENCE_S, wait_for

CA = trustme.CA()
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the self-signed certificate, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "framehook"


def certificate_until(not_after: datetime) -> bytes:
    """Return a certificate with this expiry, in PEM."""
    builder = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(1950, 1, 1, tzinfo=UTC)).not_valid_after(not_after)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def encrypted(key: bytes) -> bytes:
    """Return a password-protected key."""
    loaded = serialization.load_pem_private_key(key, None)
    secret = serialization.BestAvailableEncryption(b"secret")
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


@given(strategies.datetimes(datetime(1950, 1, 2), datetime(9999, 1, 1), timezones=strategies.just(UTC)))  # noqa: DTZ001
def test_expiry_and_fingerprint_are_those_of_the_first_certificate(not_after: datetime) -> None:
    pem = certificate_until(not_after)
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    certificate = read_certificate(b"a comment\n" + pem + certificate_until(datetime(2000, 1, 1, tzinfo=UTC)))
    assert certificate.expires_at == not_after.replace(microsecond=0)
    assert certificate.fingerprint == hashlib.sha256(der).digest().hex(":").upper()


@given(strategies.binary(max_size=100))
def test_rubbish_is_not_a_certificate(rubbish: bytes) -> None:
    as_pem = ssl.DER_cert_to_PEM_cert(rubbish).encode()
    for content in (rubbish, as_pem):
        with pytest.raises(ValueError):  # noqa: PT011  # some are errors of base64
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
def test_incomplete_settings_are_refused(given: dict[str, str], message: str) -> None:
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
    "certificate for a key": ("tls_key", certificate_until(datetime(2030, 1, 1, tzinfo=UTC)), "cannot be used"),
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


def test_check_reports_the_certificate(tmp_path: Path) -> None:
    certificate = issue(CA)
    options = [f"--{name.replace('_', '-')}={path}" for name, path in write(certificate, tmp_path).items()]
    run = subprocess.run([FRAMEHOOK, "check", *options], capture_output=True, text=True, timeout=60, check=True)
    assert f"SHA-256 {fingerprint(certificate)}" in run.stdout


@pytest.mark.parametrize(
    ("time_left", "expected"),
    [
        (timedelta(days=15), []),
        (timedelta(days=13), ["certificate expires soon"]),
        (timedelta(days=-1), ["certificate has expired"]),
    ],
    ids=["not soon", "soon", "expired"],
)
def test_expiry_is_logged_once(
    time_left: timedelta, expected: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"tls_certificate": tmp_path / "tls.crt", "tls_key": tmp_path / "tls.key"}
    files["tls_certificate"].write_bytes(certificate_until(datetime.now(UTC) + time_left))
    files["tls_key"].write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = create_tls(Settings(**files))
    assert isinstance(tls, Tls)
    tls.renew()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [warning for warning in warnings if "certificate" in warning] == expected  # a request's line may come late


def test_the_self_signed_certificate_is_for_this_machine_and_stays(state: Path) -> None:
    certificate_path, key_path = self_signed("10.1.2.3")
    assert certificate_path.parent == state
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", socket.gethostname()} == set(names.get_values_for_type(x509.DNSName))
    addresses = {ip_address(text) for text in ("127.0.0.1", "::1", "10.1.2.3")}
    assert addresses == set(names.get_values_for_type(x509.IPAddress))
    assert VALID_FOR - timedelta(hours=1) < certificate.not_valid_after_utc - datetime.now(UTC) <= VALID_FOR
    first = certificate_path.read_bytes()
    for host in ("10.1.2.3", "0.0.0.0", "127.0.0.1"):
        assert self_signed(host) == (certificate_path, key_path)
        assert certificate_path.read_bytes() == first
    self_signed("10.1.2.4")
    assert certificate_path.read_bytes() != first
    assert {path.name for path in state.iterdir()} == {certificate_path.name, key_path.name}


@pytest.mark.parametrize(
    "content", [b"rubbish", certificate_until(datetime(2020, 1, 1, tzinfo=UTC))], ids=["rubbish", "expired"]
)
@pytest.mark.usefixtures("state")
def test_an_invalid_self_signed_certificate_is_replaced(content: bytes) -> None:
    certificate_path, _ = self_signed("127.0.0.1")
    certificate_path.write_bytes(content)
    tls = create_tls(Settings(tls_self_signed=True))
    assert tls
    assert tls.served.certificate.expires_at > datetime.now(UTC)


@pytest.mark.usefixtures("state")
def test_the_service_serves_its_self_signed_certificate(tmp_path: Path) -> None:
    path, _ = self_signed("127.0.0.1")
    trusted = ssl.create_default_context(cafile=str(path))
    model = write_identity_model(tmp_path / "models")
    for _ in range(2):
        with serving(model, trusted=trusted, tls_self_signed=True) as live:
            assert live.client.get("/health/ready").status_code == 200
            with connect_encrypted(live.port, trusted) as connection:
                assert fingerprint(connection) == read_certificate(path.read_bytes()).fingerprint


def without_cryptography(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of framehook as if the extra were not installed."""
    (folder / "cryptography.py").write_text("raise ImportError('not installed')")
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [FRAMEHOOK, *command], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("is_self_signed", [True, False], ids=["self-signed", "files"])
def test_https_without_the_extra_stops_the_start(command: str, tmp_path: Path, *, is_self_signed: bool) -> None:
    files = [f"--{name.replace('_', '-')}={path}" for name, path in write(issue(CA), tmp_path).items()]
    run = without_cryptography(tmp_path, command, *(["--tls-self-signed"] if is_self_signed else files))
    assert run.returncode == 1
    assert run.stderr == "framehook: HTTPS needs the package cryptography: scripts/setup tls.\n"


def test_plain_http_does_without_the_extra(tmp_path: Path) -> None:
    write_identity_model(tmp_path / "models")
    model = ("--model-repository", tmp_path / "models", "--default-model", "identity")
    run = without_cryptography(tmp_path, "check", *model)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with pytest.raises(ConfigurationError, match="The folder /proc/nowhere/framehook cannot hold a certificate"):
        create_tls(Settings(tls_self_signed=True))


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/x"}, "/state/framehook"),
        ({"HOME": "/home/x"}, "/home/x/.local/state/framehook"),
        ({}, "/.local/state/framehook"),
    ],
)
def test_the_folder_is_that_of_the_users_state(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert state_folder() == Path(folder)


def probe(port: int, **variables: object) -> int:
    """Return the status with which the image's probe ends."""
    environment = {f"FRAMEHOOK_{name.upper()}": str(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-m", "handlers.server.probe"],
        env={**os.environ, **environment, "FRAMEHOOK_PORT": str(port)},
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
    ).returncode


def wait_until_found_ready(port: int, **variables: object) -> None:
    """Probe until the service is found to be ready: a probe waits two seconds at most, and the machine may be busy."""
    wait_for(lambda: probe(port, **variables) == 0)


def test_the_probe_reports_whether_the_service_is_ready(tmp_path: Path) -> None:
    files = write(issue(CA), tmp_path)
    model = write_identity_model(tmp_path / "models")
    with serving(model) as live:
        wait_until_found_ready(live.port)
        live.terminate()
        assert probe(live.port) == 1
    with refusing() as port:
        assert probe(port) == 1
    with serving(model, trusted=trusting(CA), **files) as live:
        wait_until_found_ready(live.port, **files)
        wait_until_found_ready(live.port, tls_self_signed="true")
        assert probe(live.port) == 1
    client_ca = write_authority(CA, tmp_path)
    with serving(model, trusted=trusting(CA, issue(CA)), **files, **client_ca) as live:
        wait_until_found_ready(live.port, **files, **client_ca)
    with refusing() as port:
        assert probe(port, **files, **client_ca) == 1


def test_the_image_uses_the_probe() -> None:
    assert 'CMD ["python", "-m", "handlers.server.probe"]' in (ROOT / "Dockerfile").read_text()
