"""Attacks by pages of other sites, and on the check of passwords."""

import base64
import json
import threading
import time

from bench.attacks.victim import FRAME, Finding, Victim
from bench.harness.servers import OK
from handlers.server.access.credentials import with_password

PASSWORD = "a password of the bench"  # noqa: S105  # of nobody
ADMIN, LATECOMER = (with_password(name, PASSWORD, may=["admin", "infer", "read"]) for name in ("admin", "latecomer"))
CREDENTIALS = json.dumps([user.model_dump(mode="json", exclude_none=True) for user in (ADMIN, LATECOMER)])
GUARDED = {"credentials": CREDENTIALS, "anonymous_may": "infer,read,monitor"}
CROSS_SITE = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
ATTACKERS, ADDRESSES, FLOOD_S, PATIENCE_S = 48, ("127.0.0.2", "127.0.0.3"), 12.0, 5.0
REFUSED = range(400, 500)


def basic(user: str, password: str = PASSWORD) -> dict[str, str]:
    """Return the Authorization header of Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def foreign_frame(victim: Victim) -> Finding:
    """Post a frame to a stream as a page of another site does."""
    return _refused(victim, "/inference?stream=gate", FRAME, CROSS_SITE | {"Content-Type": "image/png"})


def foreign_reload(victim: Victim) -> Finding:
    """Reload a model as a page of another site does, with the password that the browser keeps."""
    return _refused(victim, "/models/identity/reload", b"", CROSS_SITE | basic("admin"))


def rebound_name(victim: Victim) -> Finding:
    """Post a frame as a page does whose own name leads to this address."""
    headers = {"Host": f"evil.example:{victim.port}", "Origin": f"http://evil.example:{victim.port}"}
    return _refused(victim, "/inference", FRAME, headers | {"Content-Type": "image/png"})


def _refused(victim: Victim, target: str, body: bytes, headers: dict[str, str]) -> Finding:
    answer = victim.ask("POST", target, body, headers)
    return Finding(f"{answer.status}", answer.status in REFUSED)


def password_flood(victim: Victim) -> Finding:
    """Try wrong passwords from two addresses, while somebody with the right one comes."""
    over, tries = threading.Event(), [0] * ATTACKERS

    def guess(number: int) -> None:
        while not over.is_set():
            tries[number] += 1
            headers = basic(f"user-{number}-{tries[number]}", "wrong")
            victim.ask("GET", "/models", headers=headers, source=ADDRESSES[number % len(ADDRESSES)])

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    started_s, status = time.monotonic(), None
    while status != OK and time.monotonic() < started_s + FLOOD_S:
        status = victim.ask("GET", "/models", headers=basic("latecomer")).status
        time.sleep(0.1)
    took_s = time.monotonic() - started_s
    over.set()
    for thread in threads:
        thread.join()
    figure = f"in after {took_s:.1f} s" if status == OK else f"not in after {took_s:.0f} s"
    return Finding(f"{figure}, {sum(tries)} guesses", status == OK and took_s <= PATIENCE_S)
