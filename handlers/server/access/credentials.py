"""Credentials: reading and writing them, and the hashes in them."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from handlers.errors import ConfigurationError
from handlers.server.access.digest import Algorithm, user_hash
from models.repository.plain_yaml import YamlTextError, parse_yaml

Permission: TypeAlias = Literal["infer", "read", "view", "monitor", "configure", "admin"]
"""What an operation of the contract requires, as its `x-permission`."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
REALM = "framehook"
MAX_NAME_LENGTH = 128
TOKEN_BYTES = 32
SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_PARALLEL = 1 << 14, 8, 1
"""16 MiB and some 50 ms of a core for each check, as the scrypt paper (Percival, 2009) suggests for logins."""
SALT_BYTES, HASH_BYTES = 16, 32
FILE_MODE = 0o600

_SCRYPT_PREFIX = f"scrypt${SCRYPT_COST}${SCRYPT_BLOCK}${SCRYPT_PARALLEL}$"
_SCRYPT = re.compile(re.escape(_SCRYPT_PREFIX) + r"([0-9a-f]{32})\$([0-9a-f]{64})")
UNMATCHED_HASH = f"{_SCRYPT_PREFIX}{'0' * 32}${'0' * 64}"
"""Checked for unknown users, so that they take as long as known ones."""


def hashed_password(password: str, salt: bytes) -> str:
    """Return the salted hash of a password, as credentials store it; `salt` has 16 bytes."""
    return f"{_SCRYPT_PREFIX}{salt.hex()}${_scrypt(password, salt).hex()}"


def is_password(password: str, written: str) -> bool:
    """Return whether a password has this hash, in constant time. Raises ValueError for a malformed hash."""
    match = _SCRYPT.fullmatch(written)
    if match is None:
        raise ValueError(f"expected {_SCRYPT_PREFIX}SALT$HASH, as framehook credentials add writes it")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(match[1])), bytes.fromhex(match[2]))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=SCRYPT_COST, r=SCRYPT_BLOCK, p=SCRYPT_PARALLEL, dklen=HASH_BYTES
    )


def token_hash(token: str) -> str:
    """Return the hash of a token, as credentials store it. Tokens are long and random, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


Sha256: TypeAlias = Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
Md5: TypeAlias = Annotated[str | None, Field(pattern=r"^[0-9a-f]{32}$", repr=False)]
Scrypt: TypeAlias = Annotated[str | None, Field(pattern=f"^{_SCRYPT.pattern}$", repr=False)]


class Credential(BaseModel):
    """One user or program: how it is identified, and what it may do. It holds hashes, never the secret itself.

    `may`: its permissions. `models`: those it may use, by default all. `token_sha256`: hash of its token, sent as
    Bearer or in the header for API keys. `password_scrypt`: hash of its password, sent as Basic. `digest_sha256`,
    `digest_md5`: the `digest.user_hash` of its password, for Digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f:]+$", max_length=MAX_NAME_LENGTH)]
    may: Annotated[tuple[Permission, ...], Field(min_length=1)] = ("infer", "read")
    models: Annotated[tuple[str, ...] | None, Field(min_length=1)] = None
    token_sha256: Sha256 = None
    password_scrypt: Scrypt = None
    digest_sha256: Sha256 = None
    digest_md5: Md5 = None

    @model_validator(mode="after")
    def _is_recognisable(self) -> Self:
        if self.token_sha256 == token_hash(""):
            raise ValueError("its token_sha256 is that of an empty token")
        if not (self.token_sha256 or self.password_scrypt or self.digest_sha256 or self.digest_md5):
            raise ValueError("needs token_sha256, password_scrypt, digest_sha256 or digest_md5")
        return self

    def digest_secret(self, algorithm: Algorithm) -> str | None:
        """Return the stored hash for Digest by this algorithm, or None."""
        return self.digest_md5 if algorithm == "MD5" else self.digest_sha256


_CREDENTIALS = TypeAdapter(tuple[Credential, ...], config=ConfigDict(hide_input_in_errors=True))


def new_token() -> str:
    """Return a new token, of 256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def with_token(name: str, token: str, **limits: Any) -> Credential:
    """Return the credential of a program with a token; `limits`: `may` and `models`."""
    return Credential(name=name, token_sha256=token_hash(token), **limits)


def with_password(name: str, password: str, *, md5: bool = False, **limits: Any) -> Credential:
    """Return the credential of a user with a password; `md5`: also for Digest with MD5."""
    return Credential(
        name=name,
        password_scrypt=hashed_password(password, secrets.token_bytes(SALT_BYTES)),
        digest_sha256=user_hash("SHA-256", name, REALM, password),
        digest_md5=user_hash("MD5", name, REALM, password) if md5 else None,
        **limits,
    )


def read_credentials(text: str, origin: str) -> tuple[Credential, ...]:
    """Return the credentials of a YAML text, which is a list of them.

    Raises ConfigurationError; its message names `origin`, the entry and the key, but never a value.
    """
    try:
        document = parse_yaml(text)
    except YamlTextError as error:
        raise ConfigurationError(f"{origin}, {error}") from None  # the cause quotes the text
    try:
        credentials = _CREDENTIALS.validate_python(document if document is not None else ())
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise ConfigurationError(f"{origin}: {_place(fault['loc'], document)}{fault['msg']}.") from None
    return credentials


def unique(credentials: tuple[Credential, ...]) -> tuple[Credential, ...]:
    """Return the credentials; raises ConfigurationError when two have the same name or token."""
    by_name: dict[str, Credential] = {}
    by_token: dict[str, Credential] = {}
    for credential in credentials:
        if by_name.setdefault(credential.name, credential) is not credential:
            raise ConfigurationError(f"Two credentials have the name {credential.name}.")
        token = credential.token_sha256
        if token and by_token.setdefault(token, credential) is not credential:
            raise ConfigurationError(
                f"The credentials {by_token[token].name} and {credential.name} have the same token."
            )
    return credentials


def _place(location: tuple[int | str, ...], document: Any) -> str:
    """Return the place of a fault, as the beginning of a sentence."""
    if not location:
        return "expected a list of credentials. "
    entry, *keys = location
    name = document[entry].get("name") if isinstance(entry, int) and isinstance(document[entry], dict) else None
    return f"credential {name if isinstance(name, str) else entry}, " + "".join(f"key {key}: " for key in keys[:1])


def read_credentials_file(path: Path) -> tuple[Credential, ...]:
    """Return the credentials of a file; raises ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        who = f" by user {os.geteuid()}" if isinstance(error, PermissionError) else ""
        raise ConfigurationError(f"The credentials file {path} cannot be read{who}: {reason}.") from None
    return read_credentials(text, f"The credentials file {path}")


def write_credentials_file(path: Path, credentials: Sequence[Credential]) -> None:
    """Replace the file, readable only by its owner; raises ConfigurationError when it cannot be written.

    The owner stays if root writes it: the service may run as another user.
    """
    document = [credential.model_dump(mode="json", exclude_defaults=True) for credential in credentials]
    path = path.resolve()  # a symbolic link stays, and its target is replaced
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True)
            if path.exists() and os.geteuid() == 0:
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"The credentials file {path} cannot be written: {error.strerror}.") from error
