"""The servers that many tests share."""

from collections.abc import Iterator

import pytest

from tests.support.graphs import write_identity_model
from tests.support.server import LiveServer, running, serving


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    """The service with its default model and a queue deep enough for any fuzzing."""
    with running(queue_size=1000) as live:
        yield live


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with the identity model, whose answers prove which frame they belong to."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=4, queue_size=1000) as live:
        yield live
