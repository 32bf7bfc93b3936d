"""Measures what authentication costs, how many guesses are allowed, and whether timing reveals known users.

    python -m bench.credentials [--pairs N] [--output FILE]

Runs in this process: no socket, no frame.
"""

import argparse
import asyncio
import base64
import math
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import HTTPConnection

from bench.harness import report
from handlers.errors import EdgeError, TooManyFailuresError
from handlers.server.access.credentials import REALM, Credential, with_password, with_token
from handlers.server.access.digest import DigestAnswer, expected_response, user_hash
from handlers.server.access.recognition import Recognition

USERS = 20
PASSWORD, TOKEN = "a password of the bench", "a-token-of-the-bench"  # of nobody
RUNS, PASSWORD_PAIRS = 2000, 100
GUESSING_S = 10.0
MICROSECONDS = 1e6

Check = Callable[[HTTPConnection], Coroutine[Any, Any, Credential]]


def request(header: str, client: str = "192.0.2.1") -> HTTPConnection:
    """Return an inference request with this Authorization header."""
    scope = {
        "type": "http", "method": "POST", "raw_path": b"/inference", "query_string": b"", "client": (client, 1),
        "headers": [(b"authorization", header.encode())],
    }  # fmt: skip
    return HTTPConnection(scope)


def basic(user: str, password: str = PASSWORD) -> str:
    """Return the Authorization header of Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest(recognition: Recognition, user: str, nc: int, password: str = PASSWORD) -> str:
    """Return the Authorization header of Digest; a count of 1 gets a new nonce."""
    nonce = recognition.challenges()[0].partition('nonce="')[2].partition('"')[0]
    answer = DigestAnswer(user, nonce, "/inference", "auth", f"{nc:08x}", "0a4f113b", "", "SHA-256")
    response = expected_response(answer, user_hash("SHA-256", user, REALM, password), "POST")
    return (
        f'Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="/inference", qop=auth, nc={nc:08x}, '
        f'cnonce="0a4f113b", response="{response}", algorithm=SHA-256'
    )


async def took_us(check: Check, asked: HTTPConnection) -> float:
    """Return the microseconds that a check took, accepted or refused."""
    started_at = time.perf_counter()
    with suppress(EdgeError):
        await check(asked)
    return (time.perf_counter() - started_at) * MICROSECONDS


async def costs(recognition: Recognition) -> dict[str, float]:
    """Return the median microseconds per check of a correct credential, by scheme."""
    await recognition.identify(request(basic("user-1")))
    headers: dict[str, Callable[[int], str]] = {
        "basic": lambda _: basic("user-1"),
        "digest": lambda n: digest(recognition, "user-1", n + 1),
        "bearer": lambda _: f"Bearer {TOKEN}",
    }
    return {
        scheme: median([await took_us(recognition.identify, request(header(n))) for n in range(RUNS)])
        for scheme, header in headers.items()
    }


async def first_password_ms(check: Check) -> float:
    """Return the milliseconds that the first check of a password takes."""
    return median([await took_us(check, request(basic(f"user-{n}"))) for n in range(2, USERS)]) / 1000


async def guesses_a_s(check: Check) -> float:
    """Return how many passwords per second one client can try for one user, over ten seconds."""
    tried, until = 0, time.perf_counter() + GUESSING_S
    while time.perf_counter() < until:
        try:
            await check(request(basic("user-1", str(random.random()))))  # a guess
        except TooManyFailuresError:
            await asyncio.sleep(0.001)
        except EdgeError:
            tried += 1
    return tried / GUESSING_S


async def two_samples(check: Check, header: Callable[[str], str], pairs: int) -> tuple[float, float]:
    """Return how many µs longer (medians) a known user takes than an unknown one, and the p-value."""
    known: list[float] = []
    unknown: list[float] = []
    for n in range(pairs):
        sides = [(known, f"user-{n % USERS}"), (unknown, f"none-{n % USERS}")]
        random.shuffle(sides)
        for sample, user in sides:
            sample.append(await took_us(check, request(header(user), f"peer-{n}-{user}")))
    return median(known) - median(unknown), mann_whitney_p(np.array(known), np.array(unknown))


def mann_whitney_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the Mann-Whitney U test, using the normal approximation."""
    ranks = np.concatenate([first, second]).argsort().argsort() + 1
    n, m = len(first), len(second)
    u = ranks[:n].sum() - n * (n + 1) / 2
    deviation = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(deviation) / math.sqrt(2))


async def measure(pairs: int) -> dict[str, Any]:
    """Return all figures."""
    users = [with_password(f"user-{n}", PASSWORD) for n in range(USERS)]
    tokens = [with_token(f"program-{n}", f"{TOKEN}-{n}") for n in range(USERS - 1)]
    credentials: tuple[Credential, ...] = (*users, *tokens, with_token("last", TOKEN))
    recognition = Recognition(credentials, "X-API-Key", digest_md5=False)
    who = recognition.identify
    figures: dict[str, Any] = {f"{name}_us": cost for name, cost in (await costs(recognition)).items()}
    figures["first_password_ms"] = await first_password_ms(who)
    wrong_digest = partial(digest, recognition, nc=1, password="wrong")  # noqa: S106
    figures["digest_difference_us"], figures["digest_p"] = await two_samples(who, wrong_digest, pairs)
    wrong_basic, few = partial(basic, password="wrong"), min(pairs, PASSWORD_PAIRS)  # noqa: S106
    figures["basic_difference_us"], figures["basic_p"] = await two_samples(who, wrong_basic, few)
    figures["guesses_a_s"] = await guesses_a_s(who)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Measures what authentication costs.")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    figures = asyncio.run(measure(options.pairs))
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")
    report.write(options.output, "credentials", options, [figures])


if __name__ == "__main__":
    main()
