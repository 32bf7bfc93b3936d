"""`framehook play`: runs pipelines, from cameras to events and clips."""

import argparse
import sys
from pathlib import Path

from handlers.errors import ConfigurationError
from handlers.server.commands.options import settings_options
from handlers.server.settings import Settings
from models.extras import how_to_install

SETTINGS = ("host", "port", "model_repository", "default_model", "lanes", "streams")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "play",
        help="run pipelines: from cameras to events and clips",
        description="Read a camera, ask an extension server what is in its frames, and report events and clips, as a "
        f"topology says (docs/player.md). Needs an extra: {how_to_install('player')}.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    parser.add_argument(
        "topology",
        metavar="TOPOLOGY",
        help="detect, record-on-detection or count-line; a topology in JSON; or a list of pipelines in YAML",
    )
    parser.add_argument("--source", metavar="URL", help="the camera: rtsp://, http://, a video file or /dev/video0")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="the value of a parameter; may be repeated"
    )
    parser.add_argument(
        "--to",
        action="append",
        metavar="OUTPUT",
        help="where events go: - (standard output, the default), FILE.jsonl, http(s)://webhook or mqtt(s)://broker; "
        "may be repeated",
    )
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="the folder of clips, not the topology's own")
    parser.add_argument("--name", help="the name of the pipeline; by default the topology's")
    parser.add_argument(
        "--speed", choices=("real", "max"), default="real", help="how fast a file is read. Default: real."
    )
    parser.add_argument("--loop", action="store_true", help="read a file again and again")
    parser.add_argument("--serve", action="store_true", help="run the server in the same process")
    parser.add_argument(
        "--status",
        type=_status_address,
        metavar="[HOST:]PORT",
        help="serve a page, /health and /metrics there",
    )
    parser.add_argument("--check", action="store_true", help="say what would run, and what is odd about it")
    parser.add_argument("--draw", action="store_true", help="print the topology as a Mermaid flowchart")
    parser.set_defaults(command=play)


def play(settings: Settings, options: argparse.Namespace) -> int:
    """Run the pipelines until they end, or a signal ends them. Return 1 if one failed, else 0. Raises PlayerError."""
    try:
        from handlers.server.commands.playing import described, running  # noqa: PLC0415  # they need the extra
    except ImportError as error:
        raise ConfigurationError(f"framehook play needs PyAV and paho-mqtt: {how_to_install('player')}.") from error

    pipelines, clips = described.described(options)
    if options.check:
        return 0 if described.check(pipelines) else running.FAILED
    if options.draw:
        described.draw(pipelines)
        return 0
    wanted, warnings = described.wanted(pipelines)
    for warning in warnings:
        print(f"framehook: warning: {warning}", file=sys.stderr)
    return running.run(settings, options, wanted, clips)


def _status_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if port.isdigit() and int(port) < 1 << 16:
        return host.strip("[]") or "127.0.0.1", int(port)
    raise argparse.ArgumentTypeError("expected PORT, or HOST:PORT")
