"""The service never reveals a secret, in answer to any request.

The other tests help: their client searches every answer, and conftest.py every line of the log.
"""

import base64
import errno
import json
import os
import re
import stat
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from handlers.errors import ConfigurationError
from handlers.server.access.credentials import (
    Credential,
    read_credentials,
    read_credentials_file,
    with_token,
    write_credentials_file,
)
from handlers.server.parts import create_dataplane, create_reloader
from handlers.server.settings import Settings
from handlers.server.settings_sources import read_settings
from lab.graphs import write_identity_model
from lab.pictures import STREET
from tests.support.client import ROOT
from tests.support.credentials import GUARDED, basic, bearer
from tests.support.process import FRAMEHOOK, serving
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_for

TOKEN, PASSWORD, WRONG = "S3CR3T-token-0f7b2c", "S3CR3T-password-91ad4e", "S3CR3T-wrong-5d20c8"
PATHS = ("/inference", "/models", "/models/nope", "/metrics", "/openapi.yaml", "/health/ready", "/ui/", "/no")
PLAIN = {"host": "127.0.0.1"}


def framehook(*arguments: str | Path, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command, known = [FRAMEHOOK, *arguments], os.environ | environment
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, env=known, check=False, timeout=PROGRAM_S
    )


@pytest.fixture
def credentials(tmp_path: Path, made: str) -> Path:
    """A file with a user, and a token that may do everything."""
    path = tmp_path / "credentials.yaml"
    path.write_text(made)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of the command line."""
    path = tmp_path_factory.mktemp("made") / "credentials.yaml"
    user = framehook("credentials", "add", "yard", "--password", "--md5", "--file", path, typed=PASSWORD + "\n")
    assert (user.returncode, user.stdout) == (0, "")
    assert framehook("credentials", "add", "gate", "--may", "infer,read,monitor,admin", "--file", path).returncode == 0
    return path.read_text()


def test_the_command_line_writes_hashes_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "credentials.yaml"
    token = framehook("credentials", "add", "gate", "--models", "a,b", "--file", path).stdout.strip()
    assert len(token) >= 43
    framehook("credentials", "add", "yard", "--password", "--file", path, typed=PASSWORD)
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.read_text()
    assert token not in written
    assert PASSWORD not in written
    listed = framehook("credentials", "list", "--file", path).stdout
    assert listed == "name  may          models\ngate  infer, read  a, b\nyard  infer, read  all\n"
    as_json = framehook("credentials", "list", "--file", path, "--format", "json").stdout.splitlines()
    assert json.loads(as_json[1]) == {"name": "yard", "may": ["infer", "read"], "models": None}
    assert framehook("credentials", "remove", "gate", "--file", path).returncode == 0
    assert [credential.name for credential in read_credentials_file(path)] == ["yard"]
    assert [file.name for file in tmp_path.iterdir()] == ["credentials.yaml"]


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (["add", "yard"], "", "has a credential yard already"),
        (["add", "x", "--may", "everything"], "", "may: Input should be"),
        (["add", "a:b"], "", "name: String should match"),
        (["add", "x", "--password"], "short\n", "at least 8 characters"),
        (["remove", "nobody"], "", "has no credential nobody"),
        (["list", "--file", "missing.yaml"], "", "cannot be read: No such file"),
        (["add", "x", "--md5"], "", "--md5 goes with --password"),
        (["add", "x", "--password"], "tab\tin the middle\n", "printable characters"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_named(credentials: Path, arguments: list[str], typed: str, message: str) -> None:
    file = [] if "--file" in arguments else ["--file", str(credentials)]
    run = framehook("credentials", *arguments, *file, typed=typed)
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_a_file_that_the_service_may_not_read_is_named_with_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    with pytest.raises(
        ConfigurationError, match=r"credentials\.yaml cannot be read by user 10001: Permission denied\."
    ):
        read_credentials_file(tmp_path / "credentials.yaml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another user")
def test_the_file_stays_its_owners_when_root_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "credentials.yaml"
    write_credentials_file(path, [])
    os.chown(path, 10001, 10002)
    write_credentials_file(path, [with_token("gate", "token")])
    facts = path.stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (10001, 10002, 0o600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"- {{name: a, token: {TOKEN}}}", "credential a, key token: Extra inputs"),
        (f"- {{name: a, token_sha256: {TOKEN}}}", "credential a, key token_sha256: String should match"),
        (f"- {{name: a, password_scrypt: {PASSWORD}}}", "credential a, key password_scrypt: String should match"),
        ("- {name: a}", "credential a, Value error, needs token_sha256"),
        (f"- {TOKEN}", "credential 0, Input should be"),
        (f"{TOKEN}", "expected a list of credentials"),
        (f"{{{TOKEN}", "this is not YAML"),
        (f"- name: a\n  token_sha256: *{TOKEN}", "line 2: this is not YAML"),
        (f"- name: a\n  token_sha256: !{TOKEN} x", "line 2: this is not YAML"),
        (f"- name: a\n\ttoken_sha256: {TOKEN}", "line 2: this is not YAML: expected blanks"),
        (f"- name: a\n  may: [infer]\n  may: [{TOKEN}]", "line 3: expected each key once"),
        (f"- {{name: 7, token_sha256: {'0' * 64}}}", "credential 0, key name: Input should be a valid string"),
        (f"- {{name: a, may: [root], token_sha256: {'0' * 64}}}", "credential a, key may"),
        (f"- {{name: a, may: [], token_sha256: {'0' * 64}}}", "credential a, key may"),
    ],
)
def test_a_wrong_entry_is_named_and_its_value_is_not(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_credentials(text, "The setting credentials")
    assert str(refusal.value).startswith("The setting credentials")
    assert message in str(refusal.value)
    assert "S3CR3T" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("credentials", ""), ("anonymous_may", "admin"), ("anonymous_may", "S3CR3T"), ("digest_md5", "S3CR3T"),
     ("api_key_header", "S3CR3T: x"), ("reload_token", "S3CR3T")],
)  # fmt: skip
def test_a_wrong_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_settings(PLAIN, {f"FRAMEHOOK_{name.upper()}": value})
    assert f"FRAMEHOOK_{name.upper()}" in str(refusal.value)
    assert "S3CR3T" not in str(refusal.value)


def test_two_of_one_name_are_refused(credentials: Path) -> None:
    run = framehook("check", "--credentials-file", credentials, FRAMEHOOK_CREDENTIALS=credentials.read_text())
    assert run.returncode == 1
    assert "Two credentials have the name yard" in run.stderr


def test_nothing_secret_is_an_option_or_shown(credentials: Path) -> None:
    assert "--credentials " not in framehook("serve", "--help").stdout
    shown = repr(Settings(**GUARDED)) + repr(read_credentials_file(credentials))
    for hidden in _hashes(credentials) | _hashes_of(GUARDED["credentials"]):
        assert hidden not in shown


def test_nothing_secret_comes_out(credentials: Path, tmp_path: Path) -> None:
    """Right and wrong credentials in every scheme, on every path, with errors, at the most verbose log level."""
    log = tmp_path / "log"
    text = credentials.read_text()
    token = framehook("credentials", "add", "late", "--file", credentials).stdout.strip()
    secrets = {TOKEN, PASSWORD, WRONG, token, *_hashes(credentials), *_hashes_of(text)}
    secrets |= {base64.b64encode(f"yard:{password}".encode()).decode() for password in (PASSWORD, WRONG)}
    came_out = framehook("check", "--credentials-file", credentials).stdout
    options = ["--credentials-file", str(credentials), "--anonymous-may", "nothing", "--log-level", "debug"]
    with log.open("w") as file, serving(*options, "--digest-md5", "true", log=file) as (process, port):
        url = f"http://127.0.0.1:{port}"
        wait_for(partial(_is_up, url))
        for path in PATHS:
            for auth in (httpx.BasicAuth, httpx.DigestAuth):
                for password in (PASSWORD, WRONG):
                    came_out += _shown(httpx.get(url + path, auth=auth("yard", password), timeout=PATIENCE_S))
            for headers in (bearer(token), bearer(WRONG), {"X-API-Key": WRONG}, basic(WRONG, WRONG)):
                content = STREET.read_bytes()[: 5000 if headers == bearer(WRONG) else None]
                came_out += _shown(httpx.post(url + path, content=content, headers=headers, timeout=PATIENCE_S))
                wrong_query = f"{url}{path}?confidence=x"
                came_out += _shown(httpx.post(wrong_query, content=b"", headers=headers, timeout=PATIENCE_S))
        came_out += (Path("/proc") / str(process.pid) / "cmdline").read_text()
        process.terminate()
        process.wait(PATIENCE_S)
    came_out += log.read_text()
    assert "late" in came_out
    assert [secret for secret in secrets if secret in came_out] == []


def _is_up(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url + "/health/live").status_code == httpx.codes.UNAUTHORIZED
    return False


def _shown(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.headers.multi_items()} {answer.text}"


def _hashes(path: Path) -> set[str]:
    return _hashes_of(path.read_text())


def _hashes_of(text: str) -> set[str]:
    keys = ("token_sha256", "password_scrypt", "digest_sha256", "digest_md5")
    return {entry[key] for entry in yaml.safe_load(text) for key in keys if key in entry}


def test_the_documents_credentials_can_be_read() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "security.md").read_text(), re.DOTALL)
    [gate] = read_credentials(text, "docs/security.md")
    assert (gate.may, gate.models) == (Credential(name="x", token_sha256="1" * 64).may, ("ssdlite-mobilenet-v2",))


def test_the_process_that_tries_a_model_gets_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The author of a model could read what that process is given."""
    telling = tmp_path / "python"
    telling.write_text("#!/bin/sh\nenv\nexit 1\n")
    telling.chmod(0o755)
    folder = write_identity_model(tmp_path)
    settings = Settings(model_repository=(tmp_path,), default_model=folder.name)
    monkeypatch.setattr(sys, "executable", str(telling))
    monkeypatch.setenv("FRAMEHOOK_CREDENTIALS", TOKEN)
    reload = create_reloader(settings, create_dataplane(settings).engine, lambda _: None).reload(folder.name)
    assert "PATH=" in str(reload.reason)
    assert TOKEN not in str(reload.reason)
