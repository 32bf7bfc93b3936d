"""`framehook doctor`: five questions to a server, for those who want to know why their cameras see nothing."""

import argparse
import json

from conformance.doctor.examining import Judgement, Opinion, examine
from handlers.server.commands.conforming.asking import FORMATS, asking_options, frame_rate, server_of
from handlers.server.commands.printing import JSON, TABLE, printable, show
from handlers.server.settings import Settings

MARKS = {Judgement.GOOD: "✓", Judgement.BAD: "✗", Judgement.UNKNOWN: "?"}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "doctor",
        help="ask a server five questions: does it answer, and is it what you need",
        description="Ask a server five questions: does it answer, is it what it says, how fast is it, does it keep up "
        "with your camera, are your credentials right. For HTTP extension servers, DeepStack and CodeProject.AI.",
        parents=[asking_options()],
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="the server, as http://127.0.0.1:8080 or with the path for frames")
    parser.add_argument(
        "--rate",
        type=frame_rate,
        default=5,
        metavar="FRAMES_PER_S",
        help="the frames that your camera sends a second. Default: 5.",
    )
    parser.add_argument("--format", choices=FORMATS, default=TABLE, help="how answers are printed. Default: table.")
    parser.set_defaults(command=doctor)


def doctor(_: Settings, options: argparse.Namespace) -> int:
    """Print the answers. Return 1 if one of them is bad, else 0. Raises ConformanceError."""
    opinions = examine(server_of(options), options.rate)
    for opinion in opinions:
        show(_as_json(opinion) if options.format == JSON else _as_text(opinion))
    return int(any(opinion.judgement is Judgement.BAD for opinion in opinions))


def _as_json(opinion: Opinion) -> str:
    return json.dumps(
        {
            "question": opinion.question,
            "judgement": opinion.judgement,
            "answer": opinion.answer,
            "advice": opinion.advice or None,
        },
        ensure_ascii=False,
    )


def _as_text(opinion: Opinion) -> str:
    lines = [opinion.question, f"  {MARKS[opinion.judgement]} {opinion.answer}"]
    return "\n".join(map(printable, [*lines, f"    {opinion.advice}"] if opinion.advice else lines))
