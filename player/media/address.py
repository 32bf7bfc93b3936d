"""Addresses of sources: with credentials for FFmpeg, without them for people."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

from player.errors import SourceError

Kind: TypeAlias = Literal["rtsp", "http", "file", "device"]
KINDS: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
"""The scheme of a URL → the kind of source."""
DEVICE = re.compile(r"/dev/video\d+")
SECRET = re.compile(r"(?i)((?:user|login|pass|pwd|psw|token|secret|key|auth)[^=&/?]*=)[^&/?]*")
"""Credentials that some cameras want in the path or the query: a name that tells, and its value."""

LOGIN = re.compile(r":.*@")
"""What may be a password in the name of a file: that of a URL with a slash or its scheme missing."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source is. `for_people`: as messages, logs and events show it; `for_ffmpeg`: with credentials, so never.

    `is_encrypted`: by TLS.
    """

    kind: Kind
    for_people: str
    for_ffmpeg: str = field(repr=False)
    is_encrypted: bool = False

    def __str__(self) -> str:
        """Return it as people may see it."""
        return self.for_people

    @property
    def is_live(self) -> bool:
        """Return whether it shows what happens now."""
        return self.kind != "file"


def address_of(source: str, user: str = "", password: str = "") -> Address:
    """Return the address of a camera's URL, a device such as /dev/video0, or a file.

    `user` and `password`, if given, take the place of those in the URL. Raises SourceError for unusable URLs.
    """
    scheme, colon, _ = source.partition("://")
    if not colon or scheme.lower() == "file":
        return _local(source)
    kind = KINDS.get(scheme.lower())
    if kind is None:
        raise SourceError(f"The scheme {scheme[:20]!r} is not supported: use rtsp, rtsps, http, https or a file.")
    url = _split(source)
    if user:
        credentials = f"{_quoted(user)}:{_quoted(password)}@"
    elif url.username is not None:
        credentials = f"{_quoted(unquote(url.username))}:{_quoted(unquote(url.password or ''))}@"
    else:
        credentials = ""
    host = url.netloc.rpartition("@")[2]
    rest = url.path + (f"?{url.query}" if url.query else "")
    shown = SECRET.sub(r"\1***", rest)
    return Address(
        kind=kind,
        for_people=f"{scheme.lower()}://{host}{shown}",
        for_ffmpeg=f"{scheme.lower()}://{credentials}{host}{rest}",
        is_encrypted=scheme.lower().endswith("s"),
    )


def _local(source: str) -> Address:
    path = unquote(urlsplit(source).path) if source.lower().startswith("file://") else source
    if DEVICE.fullmatch(path):
        return Address("device", path, path)
    if "\0" in path or not path:
        raise SourceError("The name of the file is not usable.")
    return Address("file", LOGIN.sub(":***@", path), f"file:{Path(path)}")


def _split(source: str) -> SplitResult:
    """Return the parts of a URL. The error does not show it: a password may be where it should not."""
    try:
        url = urlsplit(source)
        is_usable = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable or any(ord(letter) <= ord(" ") for letter in source):
        raise SourceError(
            "The address of the source is no usable URL. Special characters of the user name and the password must be "
            "percent-encoded, or both be given apart."
        )
    return url


def _quoted(text: str) -> str:
    return quote(text, safe="")
