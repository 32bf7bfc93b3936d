"""Draws docs/maintainers/performance/*.svg from the figures that bench.load and bench.faults.overload wrote.

python -m bench.plots FILE.json ... [--folder docs/maintainers/performance]
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

from lab import ROOT

Results: TypeAlias = Sequence[Mapping[str, Any]]
STYLE: Any = {
    "svg.hashsalt": "framehook",  # so that the same figures give the same file
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def overload_curve(results: Results, facts: str) -> Figure:
    """Draw goodput and p99 over load, one line per server."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    goodput, latency = figure.subplots(1, 2)
    for server in dict.fromkeys(result["server"] for result in results):
        lines = [result for result in results if result["server"] == server]
        loads = sorted({result["load"] for result in lines})
        goodput.plot(loads, [_middle(lines, load, _goodput) for load in loads], marker="o", label=server)
        latency.plot(loads, [_middle(lines, load, _p99_s) for load in loads], marker="o", label=server)
    goodput.set(xlabel="load ÷ capacity", ylabel="right answers within 1 s ÷ capacity", ylim=(0, 1.1), xscale="log")
    latency.set(xlabel="load ÷ capacity", ylabel="p99 of answered frames, s", yscale="log", xscale="log")
    for axes in (goodput, latency):
        ticks = sorted({result["load"] for result in results})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.minorticks_off()
    goodput.legend(frameon=False)
    figure.suptitle(facts, fontsize=8)
    return figure


def cpu_bars(results: Results, facts: str) -> Figure:
    """Draw CPU time per frame ÷ the reference's, one group per workload, for the largest number of clients."""
    busiest = max(result["clients"] for result in results)
    shown = [result for result in results if result["clients"] == busiest]
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    workloads = list(dict.fromkeys(result["workload"] for result in shown))
    pairs = list(dict.fromkeys((result["other"], result["reference"]) for result in shown))
    width = 0.8 / len(pairs)
    for place, (other, reference) in enumerate(pairs):
        ratios = {result["workload"]: result["ratios"]["cpu_ms_per_frame"] for result in shown
                 if (result["other"], result["reference"]) == (other, reference)}  # fmt: skip
        at = [workloads.index(workload) + place * width for workload in ratios]
        axes.bar_label(
            axes.bar(at, list(ratios.values()), width, label=f"{other} ÷ {reference}"), fmt="%.2f", fontsize=7
        )
    axes.set_xticks([place + width * (len(pairs) - 1) / 2 for place in range(len(workloads))], workloads)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_ylabel(f"CPU time a frame, {busiest} clients, ratio")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.suptitle(facts, fontsize=8)
    return figure


def _middle(lines: Results, load: float, figure: Callable[[Mapping[str, Any]], float]) -> float:
    return median(figure(result) for result in lines if result["load"] == load)


def _goodput(result: Mapping[str, Any]) -> float:
    timely: float = result["ratios"]["timely"]
    return timely


def _p99_s(result: Mapping[str, Any]) -> float:
    p99_ms: float = result["frames"]["answered_ms"].get("p99", float("nan"))
    return p99_ms / 1000


PLOTS: Mapping[str, Callable[[Results, str], Figure]] = {"overload": overload_curve, "load": cpu_bars}
"""Kind of file → function that draws it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one picture per kind of file; several files of one kind share a picture."""
    parser = argparse.ArgumentParser(description="Draws the figures.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "maintainers" / "performance")
    options = parser.parse_args(arguments)
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in options.files]
    options.folder.mkdir(parents=True, exist_ok=True)
    for kind, draw in PLOTS.items():
        mine = [document for document in documents if document["kind"] == kind]
        if mine:
            circumstances = mine[0]["circumstances"]
            facts = ", ".join(str(circumstances[name]) for name in ("processor", "commit", "date"))
            with mpl.rc_context(STYLE):
                figure = draw([result for document in mine for result in document["results"]], facts)
                figure.savefig(options.folder / f"{kind}.svg", metadata={"Date": None})
            print(options.folder / f"{kind}.svg")


if __name__ == "__main__":
    main()
