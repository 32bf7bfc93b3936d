"""What keeps the service from ending, or from going on: a lane that is busy, a log that nobody reads."""

import os
import signal
import subprocess
import threading
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from bench.attacks.victim import Answer, Finding, Victim, attacked
from bench.harness.servers import OK, UNAVAILABLE, framehook
from lab.graphs import write_identity_model
from lab.pictures import encode
from lab.wire import free_port

SIDE, GREY_LEVEL = 8_000, 75
GREY_FRAME = encode(Image.new("RGB", (64, 64), (GREY_LEVEL,) * 3), "PNG")
END_S, RUN_S, SLACK_S = 11.0, 10.0, 1.0
REQUESTS, READ_S = 600, 20.0


def _write_long_node(victim: Victim) -> None:
    """Add a model that computes one long product for frames of one grey level, which no trial can guess."""
    folder = write_identity_model(victim.root, "slow")
    model = onnx.load(folder / "model.onnx")
    constants = {
        "grey_level": np.float32(GREY_LEVEL),
        "near": np.float32(5),
        "small": np.array([1, 1]),
        "large": np.array([SIDE, SIDE]),
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "grey_level"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Less", ["distance", "near"], ["is_grey"]),
        helper.make_node("Where", ["is_grey", "large", "small"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["factor"], value=_float(0)),
        helper.make_node("MatMul", ["factor", "factor"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["none"], keepdims=0),
        helper.make_node("Add", ["images", "none"], ["same_images"]),
    ]
    model.graph.node[0].input[0] = "same_images"
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    onnx.save(model, folder / "model.onnx")


def _float(value: float) -> TensorProto:
    return numpy_helper.from_array(np.array([value], np.float32))


def _busy(victim: Victim, answers: list[Answer]) -> threading.Thread:
    """Keep a lane busy with what no watchdog ends; the answer comes into the list."""
    thread = threading.Thread(target=lambda: answers.append(victim.post(GREY_FRAME, "/inference/slow")))
    thread.start()
    time.sleep(1)
    return thread


def long_node(victim: Victim) -> Finding:
    """Post a frame for which a model computes one long product."""
    if not _serves_slow_model(victim):
        return Finding("the model was not served, so nothing was tried", is_held=False)
    answers: list[Answer] = []
    _busy(victim, answers).join()
    figure = f"{answers[0].status} after {answers[0].took_s:.1f} s"
    return Finding(figure, answers[0].status == UNAVAILABLE and answers[0].took_s <= RUN_S + SLACK_S)


def sigterm_while_busy(victim: Victim) -> Finding:
    """Send SIGTERM while a lane is in such a product."""
    if not _serves_slow_model(victim):
        return Finding("the model was not served, so nothing was tried", is_held=False)
    answers: list[Answer] = []
    thread = _busy(victim, answers)
    started_s = time.monotonic()
    victim.process.send_signal(signal.SIGTERM)
    try:
        status: int | None = victim.process.wait(3 * END_S)
    except subprocess.TimeoutExpired:
        status = None
        victim.process.kill()
    took_s = time.monotonic() - started_s
    thread.join()
    is_held = status == 0 and took_s <= END_S and answers[0].status in {OK, UNAVAILABLE}
    return Finding(f"status {status} after {took_s:.1f} s, the frame got {answers[0].status}", is_held)


def _serves_slow_model(victim: Victim) -> bool:
    """Add the model; return whether it has passed its trial."""
    _write_long_node(victim)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        listed = victim.ask("GET", "/models").body
        if b'"slow"' in listed:
            return b'"broken"' not in listed
        time.sleep(0.2)
    return False


def log_that_nobody_reads(_: Victim) -> Finding:
    """Ask until the log, a pipe that nobody reads, is full, and further."""
    with attacked() as model:
        port, server = free_port(), framehook(model_repository=str(model.root), default_model="identity")
        process = subprocess.Popen(
            server.command(port),
            env={**os.environ, **server.environment},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        silent = Victim(process, port, model.root, model.log)
        until, answered = time.monotonic() + READ_S, 0
        while silent.ask("GET", "/health/ready").status != OK and time.monotonic() < until:
            time.sleep(0.1)
        try:
            answered = _answered(silent, until)
            process.terminate()
            ends = process.wait(END_S) == 0
        except subprocess.TimeoutExpired:
            ends = False
        finally:
            process.kill()
            process.communicate()
    figure = f"{answered} of {REQUESTS} requests answered, {'ends' if ends else 'does not end'} on SIGTERM"
    return Finding(figure, answered == REQUESTS and ends)


def _answered(victim: Victim, until: float) -> int:
    answered = 0
    thread = threading.Thread(target=lambda: None)
    for _ in range(REQUESTS):
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda kept=answers: kept.append(victim.ask("GET", "/models")), daemon=True)
        thread.start()
        thread.join(max(0.1, until - time.monotonic()))
        if not answers:
            break
        answered += 1
    return answered
