"""Settings: which source wins, and what stops the start."""

import resource
from pathlib import Path

import pytest

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings, default_max_connections
from handlers.server.settings_sources import read_settings


def test_the_defaults() -> None:
    settings = read_settings({}, {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.max_body_bytes) == ("127.0.0.1", 8080, 32 * 2**20)


def test_an_option_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = tmp_path / "framehook.yaml"
    path.write_text("port: 1\nqueue_size: 1\nlanes: 1\n")
    environment = {"FRAMEHOOK_CONFIG": str(path), "FRAMEHOOK_PORT": "2", "FRAMEHOOK_QUEUE_SIZE": "2", "PATH": "x"}
    settings = read_settings({"port": "3"}, environment)
    assert (settings.port, settings.queue_size, settings.lanes) == (3, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ({}, {"FRAMEHOOK_PROT": "1"}, "environment variable FRAMEHOOK_PROT: no such setting"),
        ({}, {"FRAMEHOOK_PORT": "s3cr3t"}, "environment variable FRAMEHOOK_PORT: Input should be a valid integer"),
        ({}, {"FRAMEHOOK_PORT": "99999"}, "FRAMEHOOK_PORT: Input should be less than or equal to 65535"),
        ({"queue_size": "-1"}, {}, "option --queue-size: Input should be greater than or equal to 0"),
        ({"receive_timeout_s": "0"}, {}, "option --receive-timeout-s: Input should be greater than 0"),
        ({"log_level": "loud"}, {}, "option --log-level: Input should be 'debug'"),
        ({"lanes": "x"}, {}, "option --lanes: Input should be a valid integer"),
        ({"max_body_bytes": "999999999"}, {}, "max_body_bytes must not exceed max_bytes_in_flight"),
        ({"config": "/does/not/exist"}, {}, "settings file /does/not/exist cannot be read"),
        ({}, {"FRAMEHOOK_HOST": ""}, "environment variable FRAMEHOOK_HOST is empty"),
        ({}, {"FRAMEHOOK_CONFIG": ""}, "environment variable FRAMEHOOK_CONFIG is empty"),
        ({"model_repository": ""}, {}, "option --model-repository is empty"),
        ({"host": "a b"}, {}, "option --host: String should match pattern"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    arguments: dict[str, str], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings(arguments, environment)
    assert message in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prot: 1", "key prot: no such setting"),
        ("port: x", "key port: Input should be a valid integer"),
        ("- port", "must map names to values"),
        ("1: 2", "must map names to values"),
        ("", "must map names to values"),
        ("port: 1\nhost: 127.0.0.1\nport: 2", "line 3: expected each key once"),
        ("tls_key:\n\tx", "line 2: this is not YAML: expected blanks"),
        ("port: [", "this is not YAML"),
        ("port: 2020-13-45", "this is not YAML"),
        ("host: ''", "key host: String should match pattern"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "framehook.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=message) as refused:
        read_settings({"config": str(path)}, {})
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "PORT",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "PORT_8080_TCP",
        "PORT_8080_TCP_ADDR",
        "METRICS_PORT",
    ],
)
def test_what_kubernetes_injects_is_explained(name: str) -> None:
    with pytest.raises(ConfigurationError, match="enableServiceLinks: false"):
        read_settings({}, {f"FRAMEHOOK_{name}": "tcp://10.0.0.1:8080"})


@pytest.mark.parametrize(("name", "value"), [("FRAMEHOOK_PROT", "1"), ("FRAMEHOOK_PORT", "99999")])
def test_other_mistakes_are_not_blamed_on_kubernetes(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({}, {name: value})
    assert "Kubernetes" not in str(refused.value)


@pytest.mark.parametrize(("soft_limit", "expected"), [(128, 64), (50, 1), (1024, 960), (1 << 20, 1024), (-1, 1024)])
def test_connections_leave_room_for_other_files(
    monkeypatch: pytest.MonkeyPatch, soft_limit: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft_limit, -1))
    assert default_max_connections() == expected
