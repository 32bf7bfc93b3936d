"""The wall clock jumps by hours while frames arrive: only the log shows it."""

import email.utils
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from lab.graphs import board, number_in, write_identity_model
from lab.pictures import encode
from tests.support.process import serving, wait_until_ready
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

FRAME = encode(board(7), "PNG")
HOUR_S = 3600
SETTLE_S = 4.5
"""The library reads its file once a second, and the header Date is made once a second, later under load."""


def post_until_shifted(port: int, shift_s: float) -> None:
    """Post frames for `SETTLE_S`, and until the server's clock is off by so much; all must be answered."""
    settled_at = time.monotonic() + SETTLE_S
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:

        def is_shifted() -> bool:
            answer = client.post("/inference", content=FRAME)
            assert answer.status_code == 200
            assert number_in(answer.json()["inferences"][0]["entity"]["box"]) == 7
            server_time_s = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
            return abs(server_time_s - time.time() - shift_s) < 5 and time.monotonic() > settled_at

        wait_for(is_shifted)


def test_a_jump_of_the_clock_harms_no_frame(tmp_path: Path) -> None:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    shift = tmp_path / "shift"
    shift.write_text("+0")
    folder = write_identity_model(tmp_path / "repository")
    model = ("--model-repository", str(folder.parent), "--default-model", folder.name)
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with serving(*model, log=subprocess.DEVNULL, **environment) as (process, port):
        wait_until_ready(port)
        for shift_s in (0, HOUR_S, -2 * HOUR_S, 0):
            (tmp_path / "next").write_text(f"{shift_s:+d}")
            (tmp_path / "next").rename(shift)
            post_until_shifted(port, shift_s)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
