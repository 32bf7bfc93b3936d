"""The files in deploy/ are valid, hardened, and match the service."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from handlers.server.access.credentials import read_credentials
from handlers.server.settings import Settings
from tests.support.client import CONTRACT, ROOT
from tests.support.process import FRAMEHOOK

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "framehook.service"
PLAYER_UNIT = DEPLOY / "systemd" / "framehook-player.service"
CREDENTIALS_UNIT = DEPLOY / "systemd" / "credentials.conf"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
UID = "10001:10001"
MAX_CREATE_OPTIONS = 512
"""Characters of createOptions that every version of IoT Edge accepts in one piece."""


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEPLOY / "iotedge" / "deployment.json").read_text())["modulesContent"]
    return content


def modules(manifest: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = manifest["$edgeAgent"]["properties.desired"]["modules"]
    return named


def test_the_edge_module_is_hardened(manifest: dict[str, Any]) -> None:
    text = modules(manifest)["framehook"]["settings"]["createOptions"]
    assert len(text) <= MAX_CREATE_OPTIONS
    options = json.loads(text)
    host = options["HostConfig"]
    assert options["User"] == UID
    assert options["ExposedPorts"] == {f"{Settings().port}/tcp": {}}
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert "/tmp" in host["Tmpfs"]
    assert "max-size" in host["LogConfig"]["Config"]
    assert modules(manifest)["framehook"]["restartPolicy"] == "always"


def test_the_camera_posts_to_a_path_of_the_contract(manifest: dict[str, Any]) -> None:
    url = urlsplit(modules(manifest)["camera"]["env"]["INFERENCE_URL"]["value"])
    assert url.hostname in modules(manifest)
    assert url.port == Settings().port
    assert "post" in CONTRACT["paths"][url.path]


def test_every_create_options_is_json_in_a_string(manifest: dict[str, Any]) -> None:
    desired = manifest["$edgeAgent"]["properties.desired"]
    for module in (*desired["systemModules"].values(), *desired["modules"].values()):
        assert isinstance(json.loads(module["settings"]["createOptions"]), dict)


def test_the_routes_name_modules(manifest: dict[str, Any]) -> None:
    for route in manifest["$edgeHub"]["properties.desired"]["routes"].values():
        assert any(f"/modules/{name}/" in route for name in modules(manifest))


def test_the_compose_service_is_hardened() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["framehook"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["restart"] == "always"
    assert service["ports"] == [f"127.0.0.1:8080:{Settings().port}"]
    assert (COMPOSE.parent / service["build"] / "Dockerfile").resolve() == ROOT / "Dockerfile"


def test_the_player_of_compose_plays_what_is_there_and_is_hardened() -> None:
    document = yaml.safe_load((COMPOSE.parent / "player.yaml").read_text())
    service = document["services"]["player"]
    assert (ROOT / "requirements" / f"{service['build']['args']['EXTRAS']}.txt").is_file()
    assert {key: service[key] for key in ("read_only", "cap_drop", "security_opt", "tmpfs")} == {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],
    }
    command = [word.replace("${CAMERA?the address of your camera}", "rtsp://camera.example/stream")
               .replace("${LABELS:-person}", "person") for word in service["command"]]  # fmt: skip
    checked = subprocess.run([FRAMEHOOK, *command, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    mounted = document["services"]["broker"]["volumes"][0].partition(":")[0]
    assert (COMPOSE.parent / mounted).is_file()


def test_the_dockerfile_runs_as_the_same_user_on_all_addresses() -> None:
    lines = (ROOT / "Dockerfile").read_text()
    assert f"USER {UID}" in lines
    assert "FRAMEHOOK_HOST=0.0.0.0" in lines
    assert f"EXPOSE {Settings().port}" in lines


def test_the_image_has_nothing_of_its_base_but_what_was_chosen() -> None:
    """It needs no shell either: every command that the image runs is a list."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert lines[last] == "FROM scratch"
    instructions = [line.partition(" ")[::2] for line in lines[last + 1 :] if not line.startswith(" ")]
    assert not {"RUN", "ADD", "SHELL"} & {name for name, _ in instructions}
    assert [text for name, text in instructions if name == "COPY"] == [
        "--from=build /runtime /",
        "--from=build /opt/framehook /opt/framehook",
    ]
    commands = [text[text.index("CMD ") + 4 :] if "CMD" in text else text for name, text in instructions
                if name in {"HEALTHCHECK", "ENTRYPOINT", "CMD"}]  # fmt: skip
    assert [json.loads(command)[0] for command in commands] == ["python", "framehook", "serve"]


def test_compose_gives_the_credentials_to_the_service() -> None:
    """A secret from a file is mounted with its owner and mode; the comment says whose it must be."""
    text = (COMPOSE.parent / "credentials.yaml").read_text()
    document = yaml.safe_load(text)
    service = document["services"]["framehook"]
    [secret] = service["secrets"]
    assert service["environment"] == {"FRAMEHOOK_CREDENTIALS_FILE": f"/run/secrets/{secret}"}
    assert f"sudo chown {UID.partition(':')[0]} deploy/compose/{document['secrets'][secret]['file']}" in text


def test_compose_gives_the_list_of_cameras_to_the_player(tmp_path: Path) -> None:
    """The pipelines of the comment are checked as the command in the file plays them."""
    text = (COMPOSE.parent / "cameras.yaml").read_text()
    document = yaml.safe_load(text)
    service = document["services"]["player"]
    [secret] = service["secrets"]
    place = f"/run/secrets/{secret}"
    assert f"sudo chown {UID.partition(':')[0]} deploy/compose/{document['secrets'][secret]['file']}" in text
    cameras = tmp_path / "cameras.yaml"
    events, clips, url = re.findall(r"`((?:events|clips|inferencingUrl): .+?)`", text)
    gate = "name: gate, topology: record-on-detection, source: 'rtsp://user:password@gate.example/stream'"
    cameras.write_text(f"{events}\n{clips}\npipelines: [{{{gate}, set: {{labels: car, {url}}}}}]\n")
    command = [word.replace(place, str(cameras)) for word in service["command"]]
    checked = subprocess.run([FRAMEHOOK, *command, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_gives_the_credentials_to_the_service() -> None:
    lines = CREDENTIALS_UNIT.read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    name, _, _ = values["LoadCredential"].partition(":")
    assert values["Environment"] == f"FRAMEHOOK_CREDENTIALS_FILE=%d/{name}"
    assert values["LoadCredential"].partition(":")[2] in DEPLOYING


def test_iot_edge_gives_the_credentials_to_the_service() -> None:
    [text] = re.findall(r"```json\n(.*?)```", DEPLOYING, re.DOTALL)
    [(name, setting)] = json.loads(text)["env"].items()
    credentials = Settings.model_validate({name.removeprefix("FRAMEHOOK_").lower(): setting["value"]}).credentials
    assert credentials
    [credential] = read_credentials(credentials.get_secret_value(), name)
    assert credential.name == "camera"


@pytest.mark.system
@pytest.mark.parametrize(
    "names",
    [["compose"], ["compose", "credentials"], ["compose", "player"], ["compose", "player", "cameras"]],
    ids="+".join,
)
def test_compose_finds_no_fault(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA", "rtsp://camera.example/stream")
    files = [argument for name in names for argument in ("--file", str(COMPOSE.parent / f"{name}.yaml"))]
    command = ["docker-compose", *files, "config", "--quiet"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


@pytest.mark.system
@pytest.mark.parametrize(
    ("file", "drop_ins"),
    [(UNIT, []), (UNIT, [CREDENTIALS_UNIT]), (PLAYER_UNIT, [])],
    ids=["alone", "credentials", "player"],
)
def test_systemd_finds_no_fault(tmp_path: Path, file: Path, drop_ins: list[Path]) -> None:
    framehook = shutil.which("framehook", path=str(Path(sys.executable).parent))
    unit = tmp_path / file.name
    unit.write_text(file.read_text().replace("/opt/framehook/.venv/bin/framehook", str(framehook)))
    (tmp_path / f"{file.name}.d").mkdir()
    for path in drop_ins:
        shutil.copy(path, tmp_path / f"{file.name}.d")
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert not {file.name, *(path.name for path in drop_ins)} & set(re.findall(r"[\w.-]+", verified.stderr))


def test_what_the_image_copies_reaches_its_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {f"!{name}" for names in copied for name in names.split()} <= set(ignored)
