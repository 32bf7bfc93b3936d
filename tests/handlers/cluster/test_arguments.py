from typing import Any

import pytest
import yaml

from handlers.cluster.arguments import OF_THE_PROXY, ingress_settings, time_limit_s, worker_settings
from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from tests.support.client import ROOT

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "ray" / "framehook.yaml").read_text())
[APPLICATION] = CONFIG["applications"]


def test_what_the_proxy_decides_are_settings() -> None:
    assert OF_THE_PROXY.issubset(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(OF_THE_PROXY))
def test_an_argument_without_effect_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} has no effect"):
        ingress_settings({name: 1})


@pytest.mark.parametrize("name", sorted(OF_THE_PROXY))
def test_a_variable_without_effect_is_ignored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"FRAMEHOOK_{name.upper()}", "no value of it")
    assert ingress_settings({}).host == "0.0.0.0"


def test_the_lanes_of_an_ingress_are_its_frames_in_flight() -> None:
    assert ingress_settings({"frames_in_flight": 5, "lanes": 2}).lanes == 5


@pytest.mark.parametrize(("arguments", "lanes"), [({}, 3), ({"lanes": 2}, 2)], ids=["cores", "set"])
def test_a_worker_has_a_lane_for_each_core_that_is_reserved(arguments: dict[str, Any], lanes: int) -> None:
    assert worker_settings({"frames_in_flight": 50, **arguments}, 3).lanes == lanes


def test_a_worker_refuses_no_frame_that_was_admitted() -> None:
    settings = worker_settings({"queue_size": 0, "queue_timeout_s": 1, "run_timeout_s": 4}, 1)
    assert settings.queue_size > 10_000
    assert settings.queue_timeout_s == time_limit_s(ingress_settings({"queue_timeout_s": 1, "run_timeout_s": 4})) == 5


@pytest.mark.parametrize("wrong", [0, "many", None, 1.5], ids=str)
def test_wrong_numbers_of_lanes_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError):
        ingress_settings({"frames_in_flight": wrong})
    with pytest.raises(ConfigurationError):
        worker_settings({"lanes": wrong}, 1)


def test_misspelt_arguments_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no such setting"):
        ingress_settings({"frames_in_fligth": 5})


def test_the_published_file_has_valid_arguments_and_sizes_that_agree() -> None:
    _, workers = APPLICATION["deployments"]
    most = workers["autoscaling_config"]["max_replicas"] * workers["max_ongoing_requests"]
    assert ingress_settings(APPLICATION["args"]).lanes == most
    assert workers["max_ongoing_requests"] == 2 * workers["ray_actor_options"]["num_cpus"]
    assert workers["autoscaling_config"]["target_ongoing_requests"] < workers["max_ongoing_requests"]
