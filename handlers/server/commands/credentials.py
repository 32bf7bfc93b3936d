"""`framehook credentials`: edits the credentials file."""

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
from handlers.server.commands.printing import add_format_to, print_records
from handlers.server.settings import Settings, split

MIN_PASSWORD_LENGTH = 8
"""NIST SP 800-63B."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "credentials",
        help="add, remove and list the credentials of users and programs",
        description="Add, remove and list the credentials of users and programs. Only their hashes are stored. The "
        "service reads the file when it starts.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")
    text = "add a token, which is printed once, or a user with a password"
    add_parser = actions.add_parser("add", help=text, description=f"{text[:1].upper()}{text[1:]}.")
    add_parser.add_argument("name", help="the name of the user or program")
    add_parser.add_argument(
        "--password",
        action="store_true",
        help="a password instead of a token; it is read from the terminal or from standard input",
    )
    add_parser.add_argument("--md5", action="store_true", help="with --password: valid for Digest with MD5, too")
    add_parser.add_argument(
        "--may",
        type=_parts,
        metavar="PERMISSIONS",
        help=f"permissions, separated by commas: some of {','.join(PERMISSIONS)}; by default infer,read",
    )
    add_parser.add_argument(
        "--models",
        dest="usable",
        type=_parts,
        metavar="MODELS",
        help="the models that it may use, separated by commas; by default all",
    )
    add_parser.set_defaults(command=_add)
    remove_parser = actions.add_parser("remove", help="remove a credential", description="Remove a credential.")
    remove_parser.add_argument("name", help="the name of the user or program")
    remove_parser.set_defaults(command=_remove)
    text = "list the credentials and their permissions"
    list_parser = actions.add_parser("list", help=text, description=f"{text[:1].upper()}{text[1:]}.")
    add_format_to(list_parser)
    list_parser.set_defaults(command=_list)
    for each in (add_parser, remove_parser, list_parser):
        each.add_argument(
            "--file",
            type=Path,
            help="the credentials file; by default FRAMEHOOK_CREDENTIALS_FILE, else credentials.yaml",
        )


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
    print(f"ok: {name} added to {path}, with the permissions {', '.join(credential.may)}", file=sys.stderr)
    if token:
        print(token)
    return 0


def _with_password(name: str, limits: dict[str, tuple[str, ...]], *, md5: bool) -> Credential:
    """Read a password, twice from a terminal. Raises ConfigurationError if the password cannot be used."""
    if sys.stdin.isatty():
        password = getpass.getpass()
        if getpass.getpass("Repeat the password: ") != password:
            raise ConfigurationError("The two passwords differ.")
    else:
        password = sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
    if not password.isprintable():  # surrogates, which stand for invalid UTF-8, are not printable
        raise ConfigurationError("A password must consist of printable characters, in UTF-8.")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ConfigurationError(f"A password must have at least {MIN_PASSWORD_LENGTH} characters.")
    return with_password(name, password, md5=md5, **limits)


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    path = _file(settings, options)
    credentials = read_credentials_file(path)
    kept = [credential for credential in credentials if credential.name != options.name]
    if len(kept) == len(credentials):
        raise ConfigurationError(f"{path} has no credential {options.name}.")
    write_credentials_file(path, kept)
    warning = "" if kept else "; it has no credential left, and the service does not start with such a file"
    print(f"ok: {options.name} removed from {path}{warning}", file=sys.stderr)
    return 0


def _list(settings: Settings, options: argparse.Namespace) -> int:
    records = [
        {"name": credential.name, "may": credential.may, "models": credential.models or None}
        for credential in read_credentials_file(_file(settings, options))
    ]
    print_records(options.format, records, lambda record: {**record, "models": record["models"] or ["all"]})
    return 0


def _file(settings: Settings, options: argparse.Namespace) -> Path:
    path: Path = options.file or settings.credentials_file or Path("credentials.yaml")
    return path


def _parts(text: str) -> tuple[str, ...]:
    parts = split(text)
    if not all(parts):
        raise argparse.ArgumentTypeError("expected names separated by commas")
    return parts
