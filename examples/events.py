#!/usr/bin/env python3
"""Prints the events of a stream as they happen, one line of JSON each. It needs Python 3.10 or newer, and no packages.

    python3 events.py yard

If the service needs a token, put it into the environment variable TOKEN. It must have the permission view.
"""

import argparse
import json
import os
import sys
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

INTERVAL_S = 1.0
"""The service keeps the last 50 events of a stream."""


def events_of(url: str, stream: str) -> list[dict[str, Any]] | None:
    """Return the last events of a stream, the oldest first; None if they are not known now: ask again later.

    Raises SystemExit if the service refuses to tell them.
    """
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"} if os.environ.get("TOKEN") else {}
    request = Request(f"{url}/streams/{quote(stream, safe='')}", headers=headers)  # noqa: S310  # what the user typed
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310  # as above
            return list(reversed(json.load(answer)["events"]))
    except HTTPError as error:
        if error.code in {401, 403}:
            raise SystemExit(f"{error.code}: {error.read().decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        print(f"No answer: {error}", file=sys.stderr)
    return None


def main() -> None:
    """Ask for the events again and again, and print those that are new."""
    parser = argparse.ArgumentParser(description="Prints the events of a stream.")
    parser.add_argument("stream")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of the service, without a path")
    options = parser.parse_args()
    seen: set[str] = set()
    while True:
        events = events_of(options.url, options.stream)
        if events is not None:
            for event in events:
                if event["inference"]["inferenceId"] not in seen:
                    print(json.dumps(event), flush=True)
            seen = {event["inference"]["inferenceId"] for event in events}
        time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
