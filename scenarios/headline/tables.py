"""The tables of the headline: every schedule at equal cost, to a target, against cos2p, the abstract's figures."""

import csv
import math
import statistics

from figures import HELD, Run, cell, change, paired, short, signed, table, times

AXES = {"time": "virtual time", "updates": "updates", "bytes": "bytes", "flops": "FLOPs"}
COSTS = {"time": ("s", 1, 2), "bytes": ("MB", 1e-6, 1), "energy": ("J", 1, 0), "flops": ("GFLOP", 1e-9, 0)}


def write_tables(headline, rows, final):
    target = headline.task["evaluation"]["target"]
    runs = {name: final.runs(case) for name, case in rows}
    missing = [name for name, found in runs.items() if len(found) < len(headline.mode["seeds"])]
    complete = {name: found for name, found in runs.items() if found}
    seeds = len(headline.mode["seeds"])
    # What all schedules with a chosen setting have spent when their runs end.
    limits = {axis: min(run.points[-1][axis] for name, found in complete.items() if ", " not in name for run in found)
              for axis in AXES}
    units = {"time": f"{limits['time']:.3g} s", "updates": f"{limits['updates']:.0f}",
             "bytes": f"{limits['bytes'] / 1e6:.3g} MB", "flops": f"{limits['flops'] / 1e9:.3g} GFLOP"}
    command = f"./dev headline{'' if headline.options.mode == 'default' else ' --' + headline.options.mode}"
    text = [f"Made by `{command}`: {headline.data}, {seeds} paired seeds; mean ± half the 95 % interval (t).", ""]
    text += ["Accuracy in %, at equal cost, and of a node's slice of what it received on its own test part:", ""]
    head = ["schedule", "setting"] + [f"at {units[a]}" for a in AXES] + ["local", "busy %", "memory MiB"]
    flat = []
    body = []
    for name, case in rows:
        found = runs[name]
        if not found:
            body.append([name, short(case)] + ["failed"] * (len(head) - 2))
            continue
        at = {axis: [run.at(axis, limits[axis]) if run.points[-1][axis] * (1 + 1e-9) >= limits[axis] else None
                     for run in found] for axis in AXES}
        body.append([name, short(case)] + [cell(at[a], 100) for a in AXES] +
                    [cell([r.local_tail() for r in found], 100), cell([r.utilization for r in found], 100, 0),
                     cell([r.memory / 2**20 for r in found], 1, 0)])
        for run, place in zip(found, range(len(found))):
            flat.append(dict(schedule=name, setting=short(case), seed=run.seed, accuracy_last=run.points[-1]["accuracy"],
                             **{f"accuracy_at_{a}": at[a][place] for a in AXES}, local=run.local_tail(),
                             **{f"{a}_to_target": run.to(target, a) for a in COSTS},
                             **{f"{a}_total": run.points[-1][a] for a in ("time", "updates", "bytes", "energy", "flops")},
                             utilization=run.utilization, memory_bytes=run.memory, taking_part=run.taking_part))
    text += table(head, body)
    text += ["", f"To an accuracy of {target:.0%} held for {HELD} evaluations:", ""]
    text += table(["schedule"] + [f"{AXES.get(a, a)}, {COSTS[a][0]}" for a in COSTS],
                  [[name] + [cell([run.to(target, a) for run in found], COSTS[a][1], COSTS[a][2], seeds) for a in COSTS]
                   for name, found in complete.items()])
    if "cos2p" in complete:
        text += ["", "cos2p less each other schedule, the same seeds: points of accuracy, and local points", ""]
        text += differences(complete, limits)
    text += [""] + abstract(complete, limits)
    if missing:
        text += ["", "Not all runs are there: " + ", ".join(missing)]
    (headline.folder / "table.md").write_text("\n".join(text) + "\n")
    with open(headline.folder / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    print("\n".join(text))
    print(f"\nheadline: {headline.folder}/table.md, and every run's figures in {headline.folder}/table.csv")


def differences(complete, limits):
    ours = complete["cos2p"]
    body = []
    for name, theirs in complete.items():
        if name == "cos2p":
            continue
        def at(axis):
            return paired(ours, theirs, lambda run: run.at(axis, limits[axis])
                          if run.points[-1][axis] * (1 + 1e-9) >= limits[axis] else None)
        body.append([name] + [signed(at(axis)) for axis in AXES] + [signed(paired(ours, theirs, Run.local_tail))])
    return table(["against"] + ["at equal " + title for title in AXES.values()] + ["local"], body)


def abstract(complete, limits):
    """The four figures of the abstract of arXiv 2410.08457, each with the best baseline of that figure."""
    if "cos2p" not in complete or len(complete) < 2:
        return []
    ours = complete["cos2p"]
    rivals = {name: found for name, found in complete.items() if name != "cos2p" and ", " not in name}
    end = lambda run: run.points[-1]["accuracy"]
    equal = lambda run: run.at("time", limits["time"])
    body = []
    def best(figure, largest=True):
        mean = lambda name: statistics.mean(figure(run) for run in rivals[name])
        return (max if largest else min)(rivals, key=mean)
    name = best(equal)
    body.append(["accuracy", "up to +8.8 %", f"{signed(paired(ours, rivals[name], equal))} points at equal time", name])
    name = best(lambda run: run.local_tail() or 0)
    body.append(["accuracy, local", "(not said which)", f"{signed(paired(ours, rivals[name], Run.local_tail))} points", name])
    name = best(lambda run: run.memory, largest=False)
    ratio = lambda run: math.log(run.memory)
    body.append(["memory", "-22 %", change(paired(ours, rivals[name], ratio)), name])
    fedavg = rivals.get("fedavg")
    if fedavg and name != "fedavg":
        body.append(["memory", "", change(paired(ours, fedavg, ratio)), "fedavg"])
    name = best(lambda run: run.utilization)
    used = lambda run: math.log(run.utilization)
    body.append(["utilization", "1.2x", times(paired(ours, rivals[name], used)), name])
    if fedavg and name != "fedavg":
        body.append(["utilization", "", times(paired(ours, fedavg, used)), "fedavg"])
    per_update = lambda run: math.log(run.points[-1]["time"] / max(run.points[-1]["updates"], 1))
    name = best(per_update, largest=False)
    body.append(["time for equal updates", "-24 %", change(paired(ours, rivals[name], per_update)), name])
    if fedavg and name != "fedavg":
        body.append(["time for equal updates", "", change(paired(ours, fedavg, per_update)), "fedavg"])
    return ["The abstract's four figures, and ours against the best of the others in that figure alone:", ""] + table(
        ["figure", "abstract", "here", "against"], body)
