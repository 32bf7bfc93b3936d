"""`framehook credentials`: writes down who may come in."""

import argparse
import getpass
import sys
from pathlib import Path

from pydantic import ValidationError

from handlers.errors import ConfigurationError
from handlers.server.access.credentials import (
    PERMISSIONS,
    Credential,
    new_token,
    read_credentials_file,
    with_password,
    with_token,
    write_credentials_file,
)
from handlers.server.settings import Settings

MIN_LENGTH = 8
"""Of passwords, as NIST SP 800-63B has it."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and what it takes."""
    parser = commands.add_parser("credentials", help="write down who may come in", allow_abbrev=False)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add_parser = actions.add_parser("add", help="add a token, which is printed once, or a user with a password")
    add_parser.add_argument("name", help="who it is for")
    add_parser.add_argument("--password", action="store_true", help="a password, asked for or from standard input")
    add_parser.add_argument("--md5", action="store_true", help="with it: also for Digest with MD5")
    add_parser.add_argument("--may", type=_parts, help=f"some of {','.join(PERMISSIONS)}; by default infer,read")
    add_parser.add_argument(
        "--models",
        dest="usable",
        type=_parts,
        metavar="MODELS",
        help="the models it may use, separated by commas; by default all",
    )
    add_parser.set_defaults(command=_add)
    remove_parser = actions.add_parser("remove", help="remove one")
    remove_parser.add_argument("name", help="whose it is")
    remove_parser.set_defaults(command=_remove)
    list_parser = actions.add_parser("list", help="print whose there are, and what they may do")
    list_parser.set_defaults(command=_list)
    for each in (add_parser, remove_parser, list_parser):
        each.add_argument("--file", type=Path, help="by default that of the settings, else credentials.yaml")


def _add(settings: Settings, options: argparse.Namespace) -> int:
    path, name = _file(settings, options), options.name
    if options.md5 and not options.password:
        raise ConfigurationError("--md5 goes with --password.")
    credentials = read_credentials_file(path) if path.exists() else ()
    if any(credential.name == name for credential in credentials):
        raise ConfigurationError(f"{path} has a credential {name} already; remove it first.")
    limits = {key: value for key, value in (("may", options.may), ("models", options.usable)) if value}
    token = None if options.password else new_token()
    try:
        credential = with_token(name, token, **limits) if token else _with_password(name, limits, md5=options.md5)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise ConfigurationError(f"{fault['loc'][0]}: {fault['msg']}.") from None
    write_credentials_file(path, (*credentials, credential))
    print(f"ok: {path} knows {name}, who may {', '.join(credential.may)}", file=sys.stderr)
    if token:
        print(token)
    return 0


def _with_password(name: str, limits: dict[str, tuple[str, ...]], *, md5: bool) -> Credential:
    """Ask for a password, twice where somebody types it; raises ConfigurationError when it will not do."""
    if sys.stdin.isatty():
        password = getpass.getpass()
        if getpass.getpass("Once more: ") != password:
            raise ConfigurationError("The two passwords differ.")
    else:
        password = sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
    if not password.isprintable():  # also what is no UTF-8
        raise ConfigurationError("A password takes printable characters, in UTF-8.")
    if len(password) < MIN_LENGTH:
        raise ConfigurationError(f"A password takes at least {MIN_LENGTH} characters.")
    return with_password(name, password, md5=md5, **limits)


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    path = _file(settings, options)
    credentials = read_credentials_file(path)
    kept = [credential for credential in credentials if credential.name != options.name]
    if len(kept) == len(credentials):
        raise ConfigurationError(f"{path} has no credential {options.name}.")
    write_credentials_file(path, kept)
    left = "" if kept else ", nor anybody else: the service will not start with it"
    print(f"ok: {path} does not know {options.name} any more{left}", file=sys.stderr)
    return 0


def _list(settings: Settings, options: argparse.Namespace) -> int:
    for credential in read_credentials_file(_file(settings, options)):
        models = ", ".join(credential.models or ["all models"])
        print(f"{credential.name}: may {', '.join(credential.may)}; {models}")
    return 0


def _file(settings: Settings, options: argparse.Namespace) -> Path:
    path: Path = options.file or settings.credentials_file or Path("credentials.yaml")
    return path


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise argparse.ArgumentTypeError("expected names separated by commas")
    return parts
