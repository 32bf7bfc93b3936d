"""Opens outputs, each described by one text, as on the command line."""

from collections.abc import Sequence
from pathlib import Path

from player.events.broker import read_broker_address
from player.events.lines import LineFile, StandardOutput
from player.events.output import Output, OutputTextError

EXPECTED = "Expected -, a file that ends in .jsonl, http(s)://host/path or mqtt(s)://host/topic."


def open_output(text: str, pipelines: Sequence[str] = ()) -> Output:
    """Return the output that a text describes. Raises OutputTextError.

    `-`: standard output. A path that ends in .jsonl: that file. http://, https://: a webhook. mqtt://, mqtts://: a
    broker. `pipelines`: the names of those whose events it gets; a broker knows the client by them.
    """
    scheme, mark, _ = text.partition("://")
    scheme = scheme.lower() if mark else ""
    if text == "-":
        return StandardOutput()
    if scheme in {"http", "https"}:
        from player.events.webhook import Webhook  # noqa: PLC0415  # httpx takes long to import

        return Webhook(text)
    if scheme in {"mqtt", "mqtts"}:
        return _open_broker_output(text, pipelines)
    if not scheme and text.endswith(".jsonl"):
        return _open_file(Path(text))
    what = repr(f"{scheme}://") if scheme else "this" if "@" in text else repr(text)  # a password may be before an @
    raise OutputTextError(f"Events cannot go to {what}. {EXPECTED}")


def _open_file(path: Path) -> LineFile:
    if not path.parent.is_dir():
        raise OutputTextError(f"Events cannot go to {path}: there is no folder {path.parent}.")
    return LineFile(path)


def _open_broker_output(text: str, pipelines: Sequence[str]) -> Output:
    address = read_broker_address(text)
    try:
        from player.events.mqtt_output import MqttOutput  # noqa: PLC0415  # needs the extra player
    except ImportError as error:
        raise OutputTextError(
            "Events cannot go to a broker: paho-mqtt is missing. Install framehook with the extra player."
        ) from error
    return MqttOutput(address, pipelines)
