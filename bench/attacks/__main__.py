"""Attacks a fresh service in each way that once hurt it, and prints what was held.

    python -m bench.attacks [--attack NAME ...] [--output FILE]

After each attack a good frame must get its right answer within a second, the process must live, and no answer may have
been a 500. Exits with 1 if a promise was broken.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.attacks import access, endings, pictures, repository, requests
from bench.attacks.victim import Finding, Victim, attacked
from bench.harness import report


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack. `settings`: of the service; `ends_it`: nothing is left that could answer a good frame."""

    act: Callable[[Victim], Finding]
    promise: str
    settings: Mapping[str, str] = field(default_factory=dict)
    ends_it: bool = False


CHEAP_TEXT = f"no probe waits longer than {requests.LONGEST_MS:.0f} ms"
CHEAP_PICTURE = f"an answer within {pictures.LONGEST_S:g} s, {pictures.MOST_MIB:.0f} MiB"
CHEAP_FOLDER = f"{repository.MOST_CPU_S:g} s of CPU, and watching goes on"
WATCHING = "watching goes on"
REFUSED = "refused with 4xx"

ATTACKS: dict[str, Attack] = {
    "long query name": Attack(requests.long_query_name, CHEAP_TEXT),
    "long query value": Attack(requests.long_query_value, CHEAP_TEXT),
    "long Accept": Attack(requests.long_accept, CHEAP_TEXT),
    "metrics flood": Attack(requests.metrics_flood, f"the median probe takes {requests.LONGEST_MS:.0f} ms at most"),
    "many streams": Attack(requests.many_streams, f"{requests.FEWEST:.0%} of the cameras' frames"),
    "trickling readers": Attack(requests.trickling_readers, f"dropped within {requests.READING_S:.0f} s"),
    "HEAD of a stream": Attack(requests.heads_of_a_stream, f"places are free after {requests.VIEWING_S:.0f} s"),
    "JPEG: junk, comments": Attack(pictures.junk_before_comments, CHEAP_PICTURE),
    "JPEG: long EXIF value": Attack(pictures.long_exif_value, CHEAP_PICTURE),
    "JPEG: 8BIM blocks": Attack(pictures.many_photoshop_blocks, CHEAP_PICTURE),
    "JPEG: odd EXIF tags": Attack(pictures.odd_exif_tags, f"{pictures.MOST_LINES} lines of log at most"),
    "JPEG: arithmetic": Attack(pictures.arithmetic_coding, CHEAP_PICTURE),
    "annotate: large PNG": Attack(pictures.large_annotated_png, CHEAP_PICTURE),
    "annotate: wide JPEG": Attack(pictures.wide_annotated_jpeg, CHEAP_PICTURE),
    "folder that arrives": Attack(repository.folder_that_arrives, "ready in every probe, no paths"),
    "names not UTF-8": Attack(repository.names_that_are_not_utf8, WATCHING),
    "links to themselves": Attack(repository.links_to_themselves, WATCHING),
    "renames": Attack(repository.renames, WATCHING),
    "YAML: number": Attack(repository.endless_number, CHEAP_FOLDER),
    "YAML: list": Attack(repository.endless_list, CHEAP_FOLDER),
    "YAML: nesting": Attack(repository.endless_nesting, CHEAP_FOLDER),
    "YAML: keys": Attack(repository.expensive_config_within_limits, CHEAP_FOLDER),
    "pipe as model.yaml": Attack(repository.pipe_as_config, WATCHING),
    "sparse weights": Attack(repository.sparse_weights, CHEAP_FOLDER),
    "foreign frame": Attack(access.foreign_frame, REFUSED, access.GUARDED),
    "foreign reload": Attack(access.foreign_reload, REFUSED, access.GUARDED),
    "rebound name": Attack(access.rebound_name, REFUSED, access.GUARDED),
    "password flood": Attack(
        access.password_flood, f"the right one comes in within {access.PATIENCE_S:g} s", access.GUARDED
    ),
    "long node": Attack(endings.long_node, f"503 within {endings.RUN_S + endings.SLACK_S:g} s"),
    "SIGTERM while busy": Attack(
        endings.sigterm_while_busy, f"ends within {endings.END_S:g} s, 200 or 503", ends_it=True
    ),
    "log not read": Attack(endings.log_that_nobody_reads, "answers go on, and it ends"),
}


def measure(name: str) -> dict[str, Any]:
    """Return the figures of one attack on a fresh service."""
    attack = ATTACKS[name]
    with attacked(**attack.settings) as victim:
        finding = attack.act(victim)
        fault = None if attack.ends_it else victim.fault_after()
    figure = f"{finding.figure}; then {fault}" if fault else finding.figure
    return {"attack": name, "figure": figure, "promise": attack.promise, "held": finding.is_held and not fault}


def row(figures: Mapping[str, Any]) -> str:
    """Return one row of the table."""
    outcome = "held" if figures["held"] else "**broken**"
    return f"| {figures['attack']} | {figures['figure']} | {figures['promise']} | {outcome} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Attacks a fresh service.")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS))
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    print("| attack | observed | promise | |\n|---|---|---|---|", flush=True)
    results = []
    for name in options.attack or ATTACKS:
        results.append(measure(name))
        print(row(results[-1]), flush=True)
    report.write(options.output, "attacks", options, results)
    return 0 if all(figures["held"] for figures in results) else 1


if __name__ == "__main__":
    sys.exit(main())
