"""Where a camera or an extension server is, and how to log in there."""

import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, Tag

from player.topology.sections.keys import VISIBLE, Keyed, folded, tail

EndpointType: TypeAlias = Literal["UnsecuredEndpoint", "TlsEndpoint"]
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")


def _is_one_line(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        raise ValueError("expected one line without control characters")
    return secret


def _is_header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("expected the name of an HTTP header")
    return name


def _is_pem(certificate: str) -> str:
    if "-----BEGIN CERTIFICATE-----" not in certificate:
        raise ValueError("expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
    return certificate


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_as_text), AfterValidator(_is_one_line)]


class UsernamePasswordCredentials(Keyed):
    """A user name and a password."""

    username: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    password: Secret = SecretStr("")


class HttpHeaderCredentials(Keyed):
    """A header that goes with each request, such as an API key."""

    header_name: Annotated[str, AfterValidator(_is_header_name)] = ""
    header_value: Secret = SecretStr("")


def kind_of(section: Any) -> str:
    """Return the tail of a section's type, or, for one that is read already, its class: it tells kinds apart."""
    if isinstance(section, dict):
        return tail(str(next((section[key] for key in section if key.lower() == "@type"), "")))
    return type(section).__name__.lower()


def _unless_empty(
    credentials: UsernamePasswordCredentials | HttpHeaderCredentials | None,
) -> UsernamePasswordCredentials | HttpHeaderCredentials | None:
    """Return None for an empty user name or header name, so that parameters can leave credentials out."""
    match credentials:
        case UsernamePasswordCredentials(username="") | HttpHeaderCredentials(header_name=""):
            return None
        case _:
            return credentials


Credentials: TypeAlias = Annotated[
    Annotated[UsernamePasswordCredentials, Tag("usernamepasswordcredentials")]
    | Annotated[HttpHeaderCredentials, Tag("httpheadercredentials")],
    Discriminator(
        kind_of,
        custom_error_type="kind",
        custom_error_message="expected an @type of UsernamePasswordCredentials or HttpHeaderCredentials",
    ),
]


class PemCertificateList(Keyed):
    """Certificates that are trusted, in PEM."""

    certificates: tuple[Annotated[str, AfterValidator(_is_pem)], ...]


class TlsValidationOptions(Keyed):
    """What is not checked of a server's certificate."""

    ignore_hostname: bool = False
    ignore_signature: bool = False


def _kind(name: Any) -> Any:
    return tail(name) if isinstance(name, str) else name


class Endpoint(Keyed):
    """A server. Credentials in its URL become credentials; the URL is without them then.

    `trusted_certificates`: instead of the usual ones; None: the usual ones.
    """

    type: Annotated[EndpointType, folded(EndpointType), BeforeValidator(_kind)] = "UnsecuredEndpoint"
    url: Annotated[str, Field(min_length=1, max_length=4096, pattern=f"^{VISIBLE}*$", repr=False)]
    credentials: Annotated[Credentials | None, AfterValidator(_unless_empty)] = None
    trusted_certificates: PemCertificateList | None = None
    validation_options: TlsValidationOptions = TlsValidationOptions()
    tunnel: Annotated[None, BeforeValidator(lambda _: _refuse_tunnel())] = None

    @classmethod
    def adjusted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Move credentials from the URL to their own field."""
        if isinstance(values.get("url"), str):
            values["url"], credentials = without_credentials(values["url"])
            if credentials:
                values["credentials"] = credentials
        return values

    @property
    def scheme(self) -> str:
        """Return the URL's scheme in small letters; empty for the path of a file."""
        scheme, separator, _ = self.url.partition("://")
        return scheme.lower() if separator else ""


HOST_BEHIND = re.compile(r"@[^@/?#]+:\d+(?:[/?#]|$)")
"""A host with a port, where there should be none."""


def _refuse_tunnel() -> None:
    raise ValueError("tunnels through Azure are not supported; expected a URL that can be reached from here")


def without_credentials(url: str) -> tuple[str, UsernamePasswordCredentials | None]:
    """Return a URL without its user name and password, and them. Raises ValueError, which does not hold the URL.

    A password with a `#`, `/` or `?` that is not escaped ends the host too early: the true host is behind an `@` then.
    """
    try:
        parts = urlsplit(url)
        login, separator, host = parts.netloc.rpartition("@")
        rest = url.partition("://")[2].removeprefix(parts.netloc)
        is_cut = parts.port is not None and not separator and "@" in url
        is_cut = is_cut or "@" in parts.fragment or HOST_BEHIND.search(rest) is not None
    except ValueError:
        is_cut = True
    if is_cut:
        raise ValueError("this is no URL; in a password, # / ? and @ are written %23 %2F %3F and %40")
    if not separator:
        return url, None
    name, _, password = login.partition(":")
    credentials = UsernamePasswordCredentials(username=unquote(name), password=SecretStr(unquote(password)))
    return urlunsplit(parts._replace(netloc=host)), credentials
