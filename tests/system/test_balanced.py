"""Three instances behind a real HAProxy and a real nginx, with the files of deploy/: what is lost, and who answers.

The label of the box in an answer names the instance that gave it.
"""

import itertools
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest

from handlers.server.access.credentials import with_password
from lab.balancers import BALANCERS, balancing, command_for
from lab.graphs import board, work_for, write_identity_model
from lab.pictures import encode
from lab.wire import free_port
from tests.support.credentials import ADMIN, AUTHORIZED, EVERYTHING, PASSWORD, settings_for
from tests.support.process import FRAMEHOOK
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

FRAME = encode(board(7), "PNG")
NAMES = ("one", "two", "three")
STREAMS = [f"gate {number}" for number in range(240)]
"""Fewer than an instance remembers."""
CLIENTS = 6
LOST = 0
"""The status of a frame without an answer."""
HOST = "127.0.0.1"
GATE = with_password("gate", PASSWORD, may=EVERYTHING)


@dataclass(slots=True)
class Instance:
    """One service on a port of its own, which can end and start again."""

    name: str
    folder: Path
    queue_size: int = 20
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start, and return when it is ready."""
        options = {
            "port": self.port,
            "isolation": "thread",
            "lanes": 1,
            "queue-size": self.queue_size,
            "queue-timeout-s": PATIENCE_S,
            "drain-delay-s": 2,
            "model-repository": self.folder / self.name,
            "streams": self.folder / "streams",
            "trusted-proxies": HOST,
        }
        command = [FRAMEHOOK, "serve", *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
        environment = {"FRAMEHOOK_CREDENTIALS": settings_for(ADMIN, GATE)["credentials"]}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env={**os.environ, **environment})
        wait_for(self.is_ready)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def end(self, how: signal.Signals) -> int:
        """Send a signal; return the exit status."""
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


@contextmanager
def started(folder: Path, **options: int) -> Iterator[dict[str, Instance]]:
    """Run three instances until the block ends, all with tracks for each stream; yield them by name."""
    (folder / "streams").mkdir()
    (folder / "streams" / "default.yaml").write_text("track: {}\n")
    instances = {name: Instance(name, folder, **options) for name in NAMES}
    for name in NAMES:
        write_identity_model(folder / name, labels=(name, "other"))
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        list(pool.map(Instance.start, instances.values()))
        for instance in instances.values():
            stack.callback(instance.end, signal.SIGKILL)
        yield instances


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Instance]]:
    with started(tmp_path_factory.mktemp("instances")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Service:
    """A balancer, and the instances behind it by name."""

    balancer: str
    port: int
    instances: dict[str, Instance]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, address: str = HOST) -> httpx.Client:
        """Return a client that may do everything."""
        transport = httpx.HTTPTransport(local_address=address)
        return httpx.Client(base_url=self.url, headers=AUTHORIZED, timeout=PATIENCE_S, transport=transport)

    def places(self) -> dict[str, str]:
        """Return which instance answers a frame of each stream."""
        with self.client() as client, ThreadPoolExecutor(CLIENTS) as pool:
            answers = pool.map(lambda name: post(client, f"stream={quote(name)}"), STREAMS)
            return dict(zip(STREAMS, map(instance_of, answers), strict=True))


def post(client: httpx.Client, query: str = "", frame: bytes = FRAME) -> httpx.Response:
    return client.post(f"/inference?{query}", content=frame)


def entity(answer: httpx.Response) -> dict[str, str]:
    """Return what an answer says of the one object: the label, which names the instance, and the track."""
    assert answer.status_code == httpx.codes.OK, answer.text
    found = answer.json()["inferences"][0]["entity"]
    return {"instance": found["tag"]["value"], "track": found.get("id", "")}


def instance_of(answer: httpx.Response) -> str:
    """Return the name of the instance that gave an answer."""
    return entity(answer)["instance"]


@pytest.fixture(params=BALANCERS)
def service(request: pytest.FixtureRequest, instances: dict[str, Instance], tmp_path: Path) -> Iterator[Service]:
    for instance in instances.values():
        if not instance.is_ready():
            instance.start()
    with balancing(request.param, [each.port for each in instances.values()], tmp_path) as (_, port):
        yield Service(request.param, port, instances)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One frame: when it was sent and answered, its stream, the status, and the instance that answered."""

    sent_at: float
    ended_at: float
    stream: str
    status: int
    instance: str


@contextmanager
def load(service: Service) -> Iterator[list[Outcome]]:
    """Post frames until the block ends, every second one with a stream; yield the outcomes, which are complete then."""
    outcomes: list[Outcome] = []
    is_over = threading.Event()

    def post_on(number: int) -> None:
        streams = itertools.cycle(["", *STREAMS[number::CLIENTS][:4], ""])
        with service.client() as client:
            for stream in streams:
                sent_at, status, instance = time.monotonic(), LOST, ""
                try:
                    answer = post(client, f"stream={quote(stream)}" if stream else "")
                    status = answer.status_code
                    instance = instance_of(answer) if status == httpx.codes.OK else ""
                except httpx.TransportError:
                    pass
                outcomes.append(Outcome(sent_at, time.monotonic(), stream, status, instance))
                if is_over.wait(0.01):
                    return

    with ThreadPoolExecutor(CLIENTS) as pool:
        posting = [pool.submit(post_on, number) for number in range(CLIENTS)]
        try:
            wait_for(lambda: len(outcomes) > 10 * CLIENTS)
            yield outcomes
            count = len(outcomes)
            wait_for(lambda: len(outcomes) > count + 20 * CLIENTS)
        finally:
            is_over.set()
        for each in posting:
            each.result()


def places_of(outcomes: list[Outcome]) -> dict[str, set[str]]:
    """Return which instances answered the frames of each stream."""
    places: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.stream:
            places[outcome.stream].add(outcome.instance)
    return places


@pytest.mark.parametrize("name", BALANCERS)
def test_the_file_is_valid(name: str, tmp_path: Path) -> None:
    command = [*command_for(name, (1, 2, 3, 4), tmp_path), {"haproxy": "-c", "nginx": "-t"}[name]]
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
        assert len({str(entity(answer)) for answer in answers}) == 1
        for path in (escaped, raw, f"{escaped}/settings"):
            assert client.get(f"/streams/{path}").status_code == 200


def test_a_stream_stays_and_its_tracks_go_on(service: Service) -> None:
    with service.client() as client, ThreadPoolExecutor(CLIENTS) as pool:

        def post_five(stream: str) -> set[str]:
            return {str(entity(post(client, f"stream={quote(stream)}"))) for _ in range(5)}

        answers = list(pool.map(post_five, STREAMS[:40]))
        assert {len(each) for each in answers} == {1}
        assert {name for name in NAMES if any(name in str(each) for each in answers)} == set(NAMES)


def test_after_a_kill_only_what_was_in_flight_may_be_lost(service: Service) -> None:
    with load(service) as outcomes:
        killed_at = time.monotonic()
        service.instances["two"].end(signal.SIGKILL)
    lost = [each for each in outcomes if each.status != 200]
    assert all(each.sent_at <= killed_at + 0.1 <= each.ended_at + 0.2 for each in lost), lost
    assert len(lost) <= CLIENTS
    for stream, places in places_of([each for each in outcomes if each.sent_at > killed_at + 1]).items():
        assert len(places) == 1, stream


def test_an_instance_that_is_told_to_stop_loses_nothing(service: Service) -> None:
    with load(service) as outcomes:
        assert service.instances["two"].end(signal.SIGTERM) == 0
    assert [each for each in outcomes if each.status != 200] == []
    assert all(len(places - {"two"}) == 1 for places in places_of(outcomes).values() if places != {"two"})


def test_an_instance_that_comes_takes_its_share_and_no_more(service: Service) -> None:
    third = service.instances["three"]
    third.end(signal.SIGTERM)
    wait_for(lambda: "three" not in service.places().values())
    before = service.places()
    third.start()
    wait_for(lambda: "three" in service.places().values())
    after = service.places()
    moved = {stream for stream in STREAMS if before[stream] != after[stream]}
    assert {after[stream] for stream in moved} == {"three"}
    assert 0 < len(moved) / len(STREAMS) <= 1 / 3 + 0.1


@pytest.mark.parametrize("query", ["%73tream=yard", "confidence=0.5&%69d=yard"])
def test_an_escaped_parameter_is_refused(service: Service, query: str) -> None:
    with service.client() as client:
        assert post(client, query).status_code == 400


@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("POST", "/models/identity/reload")])
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


def test_a_live_picture_is_not_cut_while_the_camera_pauses(
    service: Service, instances: dict[str, Instance], tmp_path: Path
) -> None:
    """The balancer waits one second for other answers here, instead of 75."""
    (tmp_path / "impatient").mkdir()
    ports = [each.port for each in instances.values()]
    with balancing(service.balancer, ports, tmp_path / "impatient", "1s") as (_, port), ExitStack() as stack:
        client = stack.enter_context(Service(service.balancer, port, instances).client())
        assert post(client, "stream=yard").status_code == 200
        pictures = stack.enter_context(client.stream("GET", "/mjpeg/yard?frames=2"))
        for pause_s in (0, 3):
            time.sleep(pause_s)
            assert post(client, "stream=yard").status_code == 200
        assert pictures.read().count(b"Content-Type: image/jpeg") == 2


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Instance]]:
    """Run instances on which no frame may wait; `one` and `two` have a frame that takes longer than the tests."""
    frame = encode(board(work=work_for(PATIENCE_S)), "PNG")
    with started(tmp_path_factory.mktemp("busy"), queue_size=0) as running, ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        for instance in (running["one"], running["two"]):
            pool.submit(httpx.post, f"{instance.url}/inference", content=frame, headers=AUTHORIZED, timeout=PATIENCE_S)
            wait_for(lambda url=instance.url: httpx.get(f"{url}/status").json()["framesRunning"] == 1)
            stack.callback(instance.end, signal.SIGKILL)
        yield running


@pytest.mark.parametrize("name", BALANCERS)
def test_a_busy_instance_keeps_its_streams_and_loses_other_frames(
    name: str, busy: dict[str, Instance], tmp_path: Path
) -> None:
    """Frames up to 1 MB find another instance; HAProxy does not send larger ones again."""
    sizes = {side: encode(board(7).resize((side, side)), "BMP") for side in (64, 580, 640)}
    with (
        balancing(name, [each.port for each in busy.values()], tmp_path) as (_, port),
        Service(name, port, busy).client() as client,
    ):
        answers = [post(client, frame=sizes[side]) for side in (64, 580) for _ in range(6)]
        assert {instance_of(answer) for answer in answers} == {"three"}
        large = {post(client, frame=sizes[640]).status_code for _ in range(6)}
        assert large == ({200, 503} if name == "haproxy" else {200})
        refusals = [post(client, f"stream={quote(stream)}") for stream in STREAMS[:40]]
    assert {answer.status_code for answer in refusals} == {200, 503}
    assert all(answer.status_code == 503 or instance_of(answer) == "three" for answer in refusals)
    assert all("retry-after" in answer.headers for answer in refusals if answer.status_code == 503)
    assert 0.4 < sum(answer.status_code == 503 for answer in refusals) / len(refusals) < 0.9
