"""The parts of the headline that need no search: ablations, who has the memory, a map of when it pays."""

import math
import pathlib
import statistics
import tomllib

from figures import Sweep, cell, change, paired, short, signed, table

HERE = pathlib.Path(__file__).resolve().parent


def cases_of(file):
    """The cases of a scenario's [sweep], and its seeds."""
    sweep = tomllib.loads(file.read_text())["sweep"]
    return sweep["cases"], sweep.get("seed", [1])


def write(folder, name, lines):
    text = "\n".join(lines) + "\n"
    (folder / f"{name}.md").write_text(text)
    print(text + f"\nheadline: {folder}/{name}.md")


def ablations(runner):
    """Each row changes one thing of the first."""
    file = HERE / "ablations.toml"
    cases, seeds = cases_of(file)
    runs = runner.sweep_file(file)
    sweep = Sweep(runs, cases)
    base = sweep.runs(cases[0])
    horizon = tomllib.loads(file.read_text())["stop"]["virtual_time_s"]
    rows = []
    for case in cases:
        found = sweep.runs(case)
        last = lambda run: run.tail()
        rows.append([short(case), cell([last(r) for r in found], 100),
                     "" if case is cases[0] else signed(paired(found, base, last)),
                     cell([r.local_tail() for r in found], 100),
                     "" if case is cases[0] else signed(paired(found, base, lambda r: r.local_tail())),
                     cell([r.points[-1]["updates"] for r in found], 1, 0),
                     cell([r.points[-1]["flops"] / 1e9 for r in found], 1, 0),
                     cell([r.points[-1]["bytes"] / 1e6 for r in found], 1, 0),
                     cell([r.points[-1]["energy"] for r in found], 1, 0)])
    write(runs, "ablations", [
        f"`./dev headline --ablations`: {runner.data}, {len(seeds)} seeds, {horizon} s of virtual time each. Accuracy "
        "in %: mean over the last third of the time, ± half the 95 % interval (t); differences to the first row at "
        "equal seeds.", ""] + table(
            ["what is changed", "accuracy", "difference", "local", "difference", "updates", "GFLOP", "MB", "J"], rows))


def memory(runner):
    """Timing alone: who can take part, how long equal work takes, what it needs."""
    file = HERE / "memory.toml"
    tree = tomllib.loads(file.read_text())["sweep"]
    runs = runner.sweep_file(file)
    rows = []
    for fleet in tree["fleet.use"]:
        for model in tree["model.architecture"]:
            cases = [{"fleet.use": fleet, "model.architecture": model, "schedule.kind": kind}
                     for kind in tree["schedule.kind"]]
            everything = [{"fleet.use": f, "model.architecture": m, "schedule.kind": k}
                          for f in tree["fleet.use"] for m in tree["model.architecture"]
                          for k in tree["schedule.kind"]]
            sweep = Sweep(runs, everything)
            for case in cases:
                (run,) = sweep.runs(case)
                took = [peak for peak in run.memory_of_all if peak > 0]
                rows.append([fleet, model, case["schedule.kind"], f"{run.taking_part} of {run.workers}",
                             f"{run.duration / 3600:.2f}", f"{100 * run.utilization:.0f}",
                             f"{statistics.mean(took) / 2**30:.1f}", f"{max(took) / 2**30:.1f}",
                             f"{float(run.result['result.energy_j']) / 1e6:.2f}",
                             f"{(float(run.result['result.bytes_down']) + float(run.result['result.bytes_up'])) / 2**30:.0f}"])
    stop = tomllib.loads(file.read_text())["stop"]["tasks"]
    write(runs, "memory", [
        f"`./dev headline --memory`: {stop} node updates of one epoch each, batch 16, AdamW, timing only.", ""] + table(
            ["fleet", "model", "schedule", "nodes that take part", "hours", "busy %", "GiB, mean", "GiB, most",
             "MJ (workers)", "GiB sent"], rows))


def where(runner):
    """Which schedule reaches the target first, and with least energy, cell by cell."""
    runs = runner.sweep_file(HERE / "map.toml")
    runner.call("compare", runs, "--winners", "schedule.kind", to=runs / "map.txt")
    runner.call("compare", runs, "--winners", "schedule.kind", "--csv", to=runs / "map.csv")
    print((runs / "map.txt").read_text() + f"\nheadline: {runs}/map.csv; as a page: {runner.options.convoy} report {runs}")
