"""Three instances behind a real HAProxy and a real nginx, with the files of deploy/: what is lost, and who answers.

The label of the box in an answer names the instance that gave it.
"""

import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest

from handlers.server.access.credentials import with_password
from lab.balancers import BALANCERS, PORTS, balancing, configure
from lab.graphs import board, work_for
from lab.instances import CLIENTS, FRAME, HOST, NAMES, Instance, Outcome, instance_of, load, places, post, started
from lab.pictures import encode
from tests.support.credentials import ADMIN, AUTHORIZED, EVERYTHING, PASSWORD, settings_for
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

STREAMS = [f"gate {number}" for number in range(240)]
"""Fewer than an instance remembers."""
GATE = with_password("gate", PASSWORD, may=EVERYTHING)
OPTIONS = ("--queue-timeout-s", str(PATIENCE_S), "--drain-delay-s", "6", "--trusted-proxies", HOST)
ENVIRONMENT = {"FRAMEHOOK_CREDENTIALS": settings_for(ADMIN, GATE)["credentials"]}


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Instance]]:
    folder = tmp_path_factory.mktemp("instances")
    with started(folder, (*OPTIONS, "--queue-size", "20"), ENVIRONMENT) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Service:
    """A balancer, and the instances behind it by name."""

    balancer: str
    port: int
    log: Path
    instances: dict[str, Instance]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, address: str = HOST, *, is_reused: bool = True) -> httpx.Client:
        """Return a client that may do everything. `is_reused`: a connection, for one request after another.

        A balancer that reads its file again closes connections without a request: one that is sent just then is lost.
        """
        limits = httpx.Limits() if is_reused else httpx.Limits(max_keepalive_connections=0)
        transport = httpx.HTTPTransport(local_address=address, limits=limits)
        return httpx.Client(base_url=self.url, headers=AUTHORIZED, timeout=PATIENCE_S, transport=transport)


@pytest.fixture(params=BALANCERS)
def service(request: pytest.FixtureRequest, instances: dict[str, Instance], tmp_path: Path) -> Iterator[Service]:
    for instance in instances.values():
        if not instance.is_ready():
            instance.start()
    with balancing(request.param, ports_of(instances), tmp_path) as running:
        yield Service(request.param, running.port, running.log, instances)


def ports_of(instances: dict[str, Instance]) -> Sequence[int]:
    return [each.port for each in instances.values()]


def entity(answer: httpx.Response) -> tuple[str, str]:
    """Return who gave an answer, and the track of its one object."""
    return instance_of(answer), answer.json()["inferences"][0]["entity"].get("id", "")


def places_of(outcomes: list[Outcome]) -> dict[str, set[str]]:
    """Return which instances answered the frames of each stream."""
    found: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.stream:
            found[outcome.stream].add(outcome.instance)
    return found


@pytest.mark.parametrize("name", BALANCERS)
def test_the_file_is_valid(name: str, tmp_path: Path) -> None:
    configure(name, PORTS, tmp_path)
    command = [*BALANCERS[name].command(tmp_path), {"haproxy": "-c", "nginx": "-t"}[name]]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr.lower()


@pytest.mark.parametrize("stream", ["yard", "Front Door", "gate/1", "a+b", "tür 3", "50%25", "a;b", "0", "a&stream=b"])
def test_every_spelling_of_a_name_reaches_the_same_instance(service: Service, stream: str) -> None:
    escaped, raw = quote(stream, safe=""), "".join(f"%{byte:02x}" for byte in stream.encode())
    with service.client() as client:
        queries = [f"stream={escaped}", f"id={escaped}", f"stream={quote_plus(stream)}", f"stream={raw}"]
        queries += [
            f"confidence=0.1&id=other&stream={raw.upper()}",
            f"stream={escaped}&id=other",
            f"xid=1&id={escaped}",
        ]
        answers = [post(client, query) for query in queries] + [client.post(f"/score?stream={escaped}", content=FRAME)]
        assert len({entity(answer) for answer in answers}) == 1
        for path in (escaped, raw, f"{escaped}/settings"):
            assert client.get(f"/streams/{path}").status_code == 200


def test_a_stream_stays_and_its_tracks_go_on(service: Service) -> None:
    with service.client() as client, ThreadPoolExecutor(CLIENTS) as pool:

        def post_five(stream: str) -> set[tuple[str, str]]:
            return {entity(post(client, f"stream={quote(stream)}")) for _ in range(5)}

        answers = list(pool.map(post_five, STREAMS[:40]))
    assert {len(each) for each in answers} == {1}
    assert {instance for each in answers for instance, _ in each} == set(NAMES)


def test_after_a_kill_only_what_was_in_flight_may_be_lost(service: Service) -> None:
    with service.client() as client, load(client, STREAMS) as outcomes:
        killed_at = time.monotonic()
        service.instances["two"].end(signal.SIGKILL)
        gone_at = time.monotonic()
        if service.balancer == "haproxy":
            wait_for(lambda: "Server streams/two is DOWN" in service.log.read_text())
        time.sleep(1)  # then streams have found their place again
        settled_at = time.monotonic()
    lost = [each for each in outcomes if each.status != 200]
    assert all(each.sent_at <= gone_at and killed_at <= each.ended_at for each in lost), lost
    assert len(lost) <= CLIENTS
    later = places_of([each for each in outcomes if each.sent_at > settled_at])
    assert {len(names) for names in later.values()} == {1}


@pytest.mark.parametrize("name", BALANCERS)
def test_nothing_is_lost_where_no_machine_answers(name: str, instances: dict[str, Instance], tmp_path: Path) -> None:
    """Packets to one instance are dropped, as those to a machine without power: its port takes no connections."""
    with ExitStack() as stack:
        hole = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        ports = [instances["one"].port, instances["three"].port, hole.getsockname()[1]]
        running = stack.enter_context(balancing(name, ports, tmp_path))
        client = stack.enter_context(Service(name, running.port, running.log, instances).client())
        answers = [post(client, query) for stream in STREAMS[:12] for query in (f"stream={quote(stream)}", "")]
    assert {answer.status_code for answer in answers} == {200}


def test_an_instance_that_is_told_to_stop_loses_nothing(service: Service) -> None:
    with service.client() as client, load(client, STREAMS) as outcomes:
        assert service.instances["two"].end(signal.SIGTERM) == 0
    assert [each for each in outcomes if each.status != 200] == []
    assert all(len(places - {"two"}) == 1 for places in places_of(outcomes).values() if places != {"two"})


def test_an_instance_that_starts_takes_its_share_and_no_more(service: Service) -> None:
    """It was in the file before."""
    third = service.instances["three"]
    third.end(signal.SIGTERM)
    with service.client() as client:
        wait_for(lambda: "three" not in places(client, STREAMS).values())
        before = places(client, STREAMS)
        third.start()
        wait_for(lambda: "three" in places(client, STREAMS).values())
        assert_moved_to_the_third(before, places(client, STREAMS))


def test_an_instance_that_is_added_to_the_file_takes_its_share_and_loses_nothing(
    service: Service, tmp_path: Path
) -> None:
    folder = tmp_path / "edited"
    folder.mkdir()
    with balancing(service.balancer, ports_of(service.instances), folder, without_third=True) as running:
        edited = Service(service.balancer, running.port, running.log, service.instances)
        with edited.client(is_reused=False) as client, load(client, STREAMS) as outcomes:
            before = places(client, STREAMS)
            running.add_third()
            wait_for(lambda: "three" in places(client, STREAMS).values())
            after = places(client, STREAMS)
    assert [each for each in outcomes if each.status != 200] == []
    assert "three" not in before.values()
    assert_moved_to_the_third(before, after)


def assert_moved_to_the_third(before: dict[str, str], after: dict[str, str]) -> None:
    moved = {stream for stream in STREAMS if before[stream] != after[stream]}
    assert {after[stream] for stream in moved} == {"three"}
    assert 0 < len(moved) / len(STREAMS) <= 1 / 3 + 0.25, "nginx's shares depend on the ports"


@pytest.mark.parametrize("query", ["%73tream=yard", "confidence=0.5&%69d=yard"])
def test_an_escaped_parameter_is_refused(service: Service, query: str) -> None:
    with service.client() as client:
        assert post(client, query).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("POST", "/models/identity/reload"),
        ("POST", "//models//identity//reload/"),
        ("POST", "/models/identity/%72eload"),
        ("POST", "/models/identity%2Freload"),
    ],
)
def test_what_belongs_to_one_instance_is_not_served(service: Service, method: str, path: str) -> None:
    with service.client() as client:
        assert client.request(method, path).status_code == 404


def test_settings_reach_the_instance_of_their_stream(service: Service) -> None:
    with service.client() as client:
        for stream in STREAMS[:8]:
            name = quote(stream)
            assert client.put(f"/streams/{name}/settings", json={"thresholds": {"*": 1}}).status_code == 200
            assert post(client, f"stream={name}").status_code == 204
            assert client.delete(f"/streams/{name}/settings").status_code == 204
            assert post(client, f"stream={name}").status_code == 200


def test_the_client_is_the_one_that_the_balancer_saw(service: Service) -> None:
    claims = {"X-Forwarded-For": "9.9.9.9", "Forwarded": "for=8.8.8.8"}
    with service.client("127.0.0.7") as client:
        answer = client.post("/inference", content=FRAME, headers=claims)
    log = service.instances[instance_of(answer)].log
    wait_for(lambda: '"@127.0.0.7"' in log.read_text())
    assert "9.9.9.9" not in log.read_text()
    assert "8.8.8.8" not in log.read_text()


def test_a_client_with_too_many_claims_is_not_the_balancer(service: Service) -> None:
    with service.client("127.0.0.8") as client:
        answer = client.post("/inference", content=FRAME, headers={"X-Forwarded-For": "9.9.9.9, " * 200 + "9.9.9.9"})
    log = service.instances[instance_of(answer)].log
    wait_for(lambda: '"@127.0.0.8"' in log.read_text())


def test_a_digest_is_accepted(service: Service) -> None:
    """With nginx only where there is a stream, or where one client always asks the same instance."""
    requests = [
        ("POST", "/inference?stream=yard", FRAME),
        ("GET", "/models", None),
        ("PUT", "/streams/a%20b/settings", b"{}"),
    ]
    if service.balancer == "haproxy":
        requests.append(("POST", "/inference", FRAME))
    for _ in range(4):  # each time with a new nonce
        auth = httpx.DigestAuth(GATE.name, PASSWORD)
        for method, path, content in requests:
            answer = httpx.request(method, service.url + path, content=content, auth=auth, timeout=PATIENCE_S)
            assert answer.status_code == 200, path


def test_a_live_picture_is_not_cut_while_the_camera_pauses(service: Service, tmp_path: Path) -> None:
    """The balancer waits five seconds for other answers here, instead of 75."""
    folder, ports = tmp_path / "impatient", ports_of(service.instances)
    folder.mkdir()
    with balancing(service.balancer, ports, folder, "5s") as running, ExitStack() as stack:
        client = stack.enter_context(Service(service.balancer, running.port, running.log, service.instances).client())
        assert post(client, "stream=yard").status_code == 200
        pictures = stack.enter_context(client.stream("GET", "/mjpeg/yard?frames=2"))
        for pause_s in (0, 8):
            time.sleep(pause_s)
            assert post(client, "stream=yard").status_code == 200
        assert pictures.read().count(b"Content-Type: image/jpeg") == 2


def is_busy(instance: Instance) -> bool:
    return bool(httpx.get(f"{instance.url}/status", timeout=PATIENCE_S).json()["framesRunning"])


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Instance]]:
    """Run instances on which no frame may wait; `one` and `two` have a frame that takes longer than the tests."""
    frame = encode(board(work=work_for(2 * PATIENCE_S)), "PNG")
    options = (*OPTIONS, "--queue-size", "0", "--run-timeout-s", str(2 * PATIENCE_S))
    with started(tmp_path_factory.mktemp("busy"), options, ENVIRONMENT) as running, ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        for instance in (running["one"], running["two"]):
            pool.submit(httpx.post, f"{instance.url}/inference", content=frame, headers=AUTHORIZED, timeout=PATIENCE_S)
            wait_for(partial(is_busy, instance))
            stack.callback(instance.end, signal.SIGKILL)
        yield running


@pytest.mark.parametrize("name", BALANCERS)
def test_a_busy_instance_keeps_its_streams_and_loses_other_frames(
    name: str, busy: dict[str, Instance], tmp_path: Path
) -> None:
    """Frames up to 250 KB find another instance; HAProxy does not send larger ones again."""
    sizes = {side: encode(board(7).resize((side, side)), "BMP") for side in (64, 290, 310)}
    with (
        balancing(name, ports_of(busy), tmp_path) as balancer,
        Service(name, balancer.port, balancer.log, busy).client() as client,
    ):
        answers = [post(client, frame=sizes[side]) for side in (64, 290) for _ in range(6)]
        assert {instance_of(answer) for answer in answers} == {"three"}
        large = {post(client, frame=sizes[310]).status_code for _ in range(6)}
        assert large == ({200, 503} if name == "haproxy" else {200})
        refusals = [post(client, f"stream={quote(stream)}") for stream in STREAMS]
    assert {answer.status_code for answer in refusals} == {200, 503}
    assert all(answer.status_code == 503 or instance_of(answer) == "three" for answer in refusals)
    assert all("retry-after" in answer.headers for answer in refusals if answer.status_code == 503)
    assert 0.4 < sum(answer.status_code == 503 for answer in refusals) / len(refusals) < 0.9
