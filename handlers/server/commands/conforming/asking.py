"""Options that say which server is asked, with which credentials, and how much."""

import argparse
import re
from pathlib import Path

from conformance.asking import tls
from conformance.asking.address import read_address
from conformance.asking.credentials import Credentials, NoCredentials, OneHeader, Password
from conformance.asking.server import Limits, Server
from conformance.errors import ConformanceError
from handlers.server.commands.options import above_zero
from handlers.server.commands.printing import JSON, TABLE

FORMATS = (TABLE, JSON)
MAX_SECRET_BYTES = 8192
HEADER_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""A token of HTTP (RFC 9110, 5.6.2)."""
MAX_RATE = 100
"""Frames per second; no client of the protocol sends so many."""
MOST = 1_000_000
"""The largest number that an option may have."""
frame_rate = above_zero("a number of frames per second", MAX_RATE)
_number = above_zero("a number", MOST)


def asking_options() -> argparse.ArgumentParser:
    """Return a parent parser with the options of a server that is asked."""
    parser = argparse.ArgumentParser(add_help=False)
    access = parser.add_argument_group("access")
    access.add_argument("--user", metavar="NAME", help="the user name, for Basic and Digest")
    access.add_argument("--password-file", type=Path, metavar="FILE", help="the file with the password of --user")
    access.add_argument("--header-file", type=Path, metavar="FILE", help="a file with one header: NAME: VALUE")
    access.add_argument("--ca", type=Path, metavar="FILE", help="trust this certificate, in PEM, for HTTPS")
    access.add_argument("--insecure", action="store_true", help="trust any certificate")
    access.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="HOST",
        help="ask this host though it is neither on this machine nor in a private network",
    )
    limits = Limits()
    bounds = parser.add_argument_group("limits")
    bounds.add_argument(
        "--timeout",
        type=_number,
        default=limits.timeout_s,
        metavar="SECONDS",
        help=f"how long a whole answer may take. Default: {limits.timeout_s:g}.",
    )
    bounds.add_argument(
        "--max-requests",
        type=_count,
        default=limits.requests,
        metavar="NUMBER",
        help=f"send at most so many requests. Default: {limits.requests}.",
    )
    bounds.add_argument(
        "--max-seconds",
        type=_number,
        default=limits.duration_s,
        metavar="SECONDS",
        help=f"ask nothing more after this time. Default: {limits.duration_s:g}.",
    )
    bounds.add_argument(
        "--requests-per-s", type=_number, metavar="NUMBER", help="ask no faster; by default as fast as it answers"
    )
    return parser


def server_of(options: argparse.Namespace) -> Server:
    """Return the server that the options describe. Raises ConformanceError."""
    address = read_address(options.url, options.allow)
    limits = Limits(options.max_requests, options.max_seconds, options.timeout, options.requests_per_s)
    context = tls.context(options.ca, insecure=options.insecure) if address.scheme == "https" else None
    return Server(address, limits, _credentials(options), context)


def _credentials(options: argparse.Namespace) -> Credentials:
    if (options.user is None) != (options.password_file is None):
        raise ConformanceError("--user and --password-file go together.")
    if options.user is not None and options.header_file:
        raise ConformanceError("Give either --user or --header-file: the client of the protocol has one credential.")
    if options.user is not None:
        if ":" in options.user or not options.user.isprintable():
            raise ConformanceError("--user holds a colon or a control character, which no server can read.")
        return Password(options.user, _secret(options.password_file))
    if not options.header_file:
        return NoCredentials()
    name, colon, value = _secret(options.header_file).partition(":")
    if not colon or not HEADER_NAME.fullmatch(name):
        raise ConformanceError(f"{options.header_file} holds no header; expected one line: NAME: VALUE.")
    return OneHeader(name, value.strip())


def _secret(path: Path) -> str:
    """Return the first line of a file, which must be all that it holds; never shown in a message."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        lines = content.decode("utf-8").splitlines()
    except OSError as error:
        raise ConformanceError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConformanceError(f"{path} is not in UTF-8.") from error
    if len(lines) != 1 or len(content) > MAX_SECRET_BYTES or not lines[0].isprintable():
        raise ConformanceError(f"{path} must hold one line of at most {MAX_SECRET_BYTES} bytes.")
    return lines[0]


def _count(text: str) -> int:
    number = _number(text)
    if number == int(number):
        return int(number)
    raise argparse.ArgumentTypeError("expected a whole number")
