"""The parts of the headline that need no search: ablations, who has the memory, a map of when it pays."""

import pathlib
import tomllib

from figures import Sweep, cell, paired, short, signed, table

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
        ends = [run.points[-1] for run in found if run.points]
        first = case is cases[0]
        rows.append([short(case), cell([run.tail() for run in found], 100, 1, len(seeds)),
                     "" if first else signed(paired(found, base, lambda run: run.tail())),
                     cell([run.local_tail() for run in found], 100, 1, len(seeds)),
                     "" if first else signed(paired(found, base, lambda run: run.local_tail())),
                     *(cell([end[axis] * factor for end in ends], 1, 0, len(seeds))
                       for axis, factor in (("updates", 1), ("flops", 1e-9), ("bytes", 1e-6), ("energy", 1)))])
    write(runs, "ablations", [
        f"`{runner.command}`: {runner.data}, {len(seeds)} seeds, {horizon} s of virtual time each. Accuracy "
        "in %: mean over the last third of the time, ± half the 95 % interval (t); differences to the first row at "
        "equal seeds.", ""] + table(
            ["what is changed", "accuracy", "difference", "local", "difference", "updates", "GFLOP", "MB", "J (workers)"], rows))


def memory(runner):
    """Timing alone: who can take part, how long equal work takes, what it needs."""
    file = HERE / "memory.toml"
    tree = tomllib.loads(file.read_text())
    axes = tree["sweep"]
    runs = runner.sweep_file(file)
    cases = [{"fleet.use": fleet, "model.architecture": model, **case} for fleet in axes["fleet.use"]
             for model in axes["model.architecture"] for case in axes["cases"]]
    sweep = Sweep(runs, cases)
    rows = []
    for case in cases:
        what = [case["fleet.use"], case["model.architecture"], case["schedule.kind"]]
        if "schedule.mask" in case:
            what[2] += f", {case['schedule.mask']['selection']} masks"
        found = sweep.runs(case)
        if not found or not found[0].peaks:
            rows.append(what + ["failed"] + [""] * 6)
            continue
        (run,) = found
        sent = float(run.result["result.bytes_down"]) + float(run.result["result.bytes_up"])
        rows.append(what + [f"{run.taking_part} of {run.workers}", f"{run.duration / 3600:.2f}",
                            f"{100 * run.utilization:.0f}", f"{run.memory / 2**30:.1f}", f"{max(run.peaks) / 2**30:.1f}",
                            f"{float(run.result['result.energy_j']) / 1e6:.2f}", f"{sent / 2**30:.0f}"])
    write(runs, "memory", [
        f"`{runner.command}`: {tree['stop']['tasks']} node updates of one epoch each, batch {tree['training']['batch']}, "
        "timing only; memory of the nodes that take part.", ""] + table(
            ["fleet", "model", "schedule", "nodes that take part", "hours", "busy %", "GiB, mean", "GiB, most",
             "MJ (workers)", "GiB sent"], rows))


def where(runner):
    """Which schedule reaches the target first, and with least energy, cell by cell."""
    runs = runner.sweep_file(HERE / "map.toml")
    runner.call("compare", runs, "--winners", "schedule.kind", to=runs / "map.txt")
    runner.call("compare", runs, "--winners", "schedule.kind", "--csv", to=runs / "map.csv")
    print((runs / "map.txt").read_text() + f"\nheadline: {runs}/map.csv; as a page: {runner.options.convoy} report {runs}")
