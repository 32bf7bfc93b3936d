"""What reports say of answers: a server may have sent anything."""

from conformance.asking.credentials import Credentials, without_secrets

MAX_TEXT = 300
"""Characters."""
MARGIN = 10
"""A text is looked at so many times as far as it is shown: hidden credentials make it shorter."""


def told(text: str, credentials: Credentials, most: int = MAX_TEXT) -> str:
    """Return a text as one short line, without credentials and without what moves the cursor of a terminal."""
    safe = without_secrets(text[: MARGIN * most], credentials)
    line = "".join(letter if letter.isprintable() else "?" for letter in safe[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"
