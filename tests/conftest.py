"""The servers that many tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.credentials import AUTHORIZED, GUARDED, RELOADABLE
from tests.support.graphs import write_identity_model
from tests.support.server import LiveServer, running, serving

# These machines are shared: how long an example takes says nothing.
settings.register_profile("framehook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("framehook")


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    """The service with its default model and a queue deep enough for any fuzzing."""
    with running(queue_size=1000, **RELOADABLE) as live:
        yield live


@pytest.fixture(scope="session")
def guarded() -> Iterator[LiveServer]:
    """The same, where everything needs a credential."""
    with running(queue_size=1000, wait_until_ready=False, **GUARDED) as live:
        live.wait_until_ready(AUTHORIZED)
        yield live


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with the identity model, whose answers prove which frame they belong to."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=4, queue_size=1000) as live:
        yield live
