"""The tables of the headline: every schedule at equal cost, to a target, against cos2p, the abstract's figures."""

import csv
import math
import statistics

from figures import HELD, cell, change, paired, short, signed, table, times

AXES = {"time": "virtual time", "updates": "updates", "bytes": "bytes", "flops": "FLOPs"}
UNITS = {"time": ("s", 1), "updates": ("updates", 1), "bytes": ("MB", 1e-6), "flops": ("GFLOP", 1e-9)}
COSTS = {"time": ("virtual time, s", 1, 2), "bytes": ("MB", 1e-6, 1), "energy": ("J (workers)", 1, 0),
         "flops": ("GFLOP", 1e-9, 0)}


class Row:
    """A schedule with a setting, and its runs."""

    def __init__(self, name, case, published, runs):
        self.name = name
        self.case = case
        self.published = published
        self.runs = runs


def write_tables(headline, settings, final, command):
    rows = [Row(name, case, published, [run for run in final.runs(case) if run.points])
            for name, case, published in settings]
    there = [row for row in rows if row.runs]
    if not there:
        print("headline: no run of the table ended with an accuracy; there is no table")
        return
    target = headline.task["evaluation"]["target"]
    seeds = len(headline.seeds)
    # What all schedules with a chosen setting have spent when their runs end.
    chosen = [row for row in there if not row.published] or there
    limits = {axis: min(run.points[-1][axis] for row in chosen for run in row.runs) for axis in AXES}
    text = [f"Made by `{command}`: {headline.data}, {seeds} paired seeds; mean ± half the 95 % interval (t). "
            f"`convoy sweep {headline.folder}/final.toml -o {headline.folder}/final` makes the runs again.", "",
            "Accuracy in %, at equal cost (what the cheapest of the chosen settings has spent in all); local: a node's "
            "slice of what it received, on its own test part, in the last third of the time, mean over the nodes that "
            "began a task then; memory: mean peak of the nodes that took part:", ""]
    text += accuracies(rows, limits, seeds)
    text += ["", f"To an accuracy of {target:.0%} at {HELD} evaluations in a row (a run whose last one or two alone "
             "reach it counts as not there):", ""]
    text += table(["schedule"] + [heading for heading, _, _ in COSTS.values()],
                  [[row.name] + [cell([run.to(target, a) for run in row.runs], factor, digits, seeds)
                                 for a, (_, factor, digits) in COSTS.items()] for row in there])
    ours = next((row for row in there if row.name == "cos2p"), None)
    rivals = [row for row in there if row is not ours]
    if ours and rivals:
        text += ["", "cos2p less each other schedule at equal seeds, in points:", ""]
        text += differences(ours, rivals, limits)
        plain = [row for row in rivals if not row.published]
        if plain:
            text += [""] + abstract(ours, plain, limits)
    missing = [f"{row.name} ({len(row.runs)} of {seeds})" for row in rows if len(row.runs) < seeds]
    if missing:
        text += ["", "Not all runs are there: " + ", ".join(missing)]
    (headline.folder / "table.md").write_text("\n".join(text) + "\n")
    write_csv(headline.folder / "table.csv", there, limits, target)
    print("\n".join(text))
    print(f"\nheadline: {headline.folder}/table.md, and every run's figures in {headline.folder}/table.csv")


def accuracies(rows, limits, seeds):
    at = [f"at {limits[axis] * factor:.3g} {unit}" for axis, (unit, factor) in UNITS.items()]
    body = []
    for row in rows:
        figures = [[run.at(axis, limits[axis]) for run in row.runs] for axis in AXES]
        body.append([row.name, short(row.case)] + [cell(each, 100, 1, seeds) for each in figures] + [
            cell([run.local_tail() for run in row.runs], 100, 1, seeds),
            cell([run.utilization for run in row.runs], 100, 0, seeds),
            cell([run.memory and run.memory / 2**20 for run in row.runs], 1, 0, seeds),
            cell([run.taking_part for run in row.runs], 1, 0, seeds)])
    return table(["schedule", "setting"] + at + ["local", "busy %", "memory, MiB", "nodes"], body)


def write_csv(file, rows, limits, target):
    flat = [dict(schedule=row.name, setting=short(row.case), seed=run.seed, accuracy_last=run.points[-1]["accuracy"],
                 **{f"accuracy_at_{axis}": run.at(axis, limits[axis]) for axis in AXES}, local=run.local_tail(),
                 **{f"{axis}_to_target": run.to(target, axis) for axis in COSTS},
                 **{f"{axis}_total": run.points[-1][axis] for axis in ("time", "updates", "bytes", "energy", "flops")},
                 utilization=run.utilization, memory_bytes=run.memory, taking_part=run.taking_part)
            for row in rows for run in row.runs]
    with open(file, "w", newline="") as out:
        writer = csv.DictWriter(out, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)


def differences(ours, rivals, limits):
    body = []
    for row in rivals:
        at = [paired(ours.runs, row.runs, lambda run, axis=axis: run.at(axis, limits[axis])) for axis in AXES]
        body.append([row.name] + [signed(pair) for pair in at] + [signed(paired(ours.runs, row.runs, lambda run: run.local_tail()))])
    return table(["against"] + ["at equal " + title for title in AXES.values()] + ["local"], body)


def logarithm(figure):
    """Differences of it are ratios; None where it is not above 0."""
    def of(run):
        value = figure(run)
        return math.log(value) if value is not None and value > 0 else None
    return of


def abstract(ours, rivals, limits):
    """The four figures of the abstract of arXiv 2410.08457, each with the best baseline of that figure."""
    fedavg = next((row for row in rivals if row.name == "fedavg"), None)
    body = []

    def against(figure, largest):
        """The row that is best in a figure, and fedavg where it is another."""
        known = [row for row in rivals if any(figure(run) is not None for run in row.runs)]
        if not known:
            return []
        mean = {row.name: statistics.mean(figure(run) for run in row.runs if figure(run) is not None) for row in known}
        best = (max if largest else min)(known, key=lambda row: mean[row.name])
        return [best] + ([fedavg] if fedavg in known and fedavg is not best else [])

    def add(what, said, figure, largest, words):
        for row in against(figure, largest):
            body.append([what, said, words(paired(ours.runs, row.runs, figure)), row.name])

    def at_equal_time(run):
        return run.at("time", limits["time"])

    def per_update(run):
        end = run.points[-1]
        return end["time"] / end["updates"] if end["updates"] > 0 else None

    points = lambda pair: signed(pair) + " points"
    add("accuracy at equal time", "up to +8.8 %", at_equal_time, True, points)
    add("local accuracy", "not said which", lambda run: run.local_tail(), True, points)
    add("memory", "-22 %", logarithm(lambda run: run.memory), False, change)
    add("time for equal updates", "-24 %", logarithm(per_update), False, change)
    add("utilization", "1.2x", logarithm(lambda run: run.utilization), True, times)
    return ["The abstract's four figures, and ours against the best of the others in that figure alone (and fedavg):",
            ""] + table(["figure", "abstract", "here", "against"], body)
