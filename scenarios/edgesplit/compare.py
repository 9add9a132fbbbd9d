#!/usr/bin/env python3
"""EdgeSplit against FedAvg, SplitFed with the best fixed cut and sequential split learning.

./dev edgesplit [--learn] calls it. It leaves table.md and table.csv in its folder (runs/edgesplit,
runs/edgesplit-learn), and there the command of every run. It needs Python 3.11 and nothing else.
"""

import argparse
import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import timed as study  # noqa: E402
from timed import number, table, times  # noqa: E402

DEVICES = 8

# Changes of study.toml.
LINKS = ["wifi5", "ethernet-100m", "wifi6", "gigabit"]
FAR = ["lte", "5g", "wifi5", "ethernet-100m"]


def linked(links, server, counts=(2, 2, 2, 2)):
    changes = {f"fleet.nodes.{i}.link": link for i, link in enumerate(links)}
    changes |= {f"fleet.nodes.{i}.count": count for i, count in enumerate(counts)}
    return changes | {"fleet.server.link": server}


FLEETS = {
    "near": linked(LINKS, "gigabit"),
    "narrow": linked(LINKS, "ethernet-100m"),
    "far": linked(FAR, "gigabit"),
    "weak": linked(FAR, "gigabit", (5, 1, 1, 1)),
}
MODELS = ["resnet50", "mobilenet_v2", "vit-small"]

WAYS = {
    "fedavg": {"schedule.kind": "fedavg"},
    "splitfed": {"schedule.kind": "splitfed"},
    "one after another": {"schedule.kind": "splitlearning"},
    "edgesplit": {"schedule.kind": "edgesplit", "schedule.edgesplit.hold": "limit"},
    "edgesplit, guarantees": {"schedule.kind": "edgesplit", "schedule.edgesplit.hold": "guarantee"},
    "edgesplit, cuts alone": {"schedule.kind": "edgesplit", "schedule.edgesplit.hold": "nothing"},
}
OURS = ["edgesplit", "edgesplit, guarantees", "edgesplit, cuts alone"]


def seconds_of(way, summary):
    """A round of all devices; one after another makes a version for each."""
    if summary is None or not summary["rounds"]:
        return None
    rounds = summary["rounds"] / (DEVICES if way == "one after another" else 1)
    return summary["virtual_time_s"] / rounds


def stop_of(way, rounds):
    return {"stop.rounds": rounds * (DEVICES if way == "one after another" else 1)}


def best_cut(convoy, pool, file, changes, way, name):
    """Every cut tried, and the one with the shortest round: (cut, seconds); None: no cut fits all devices."""
    layers = convoy.plan(file, changes | {"schedule.kind": "edgesplit"})["layers"]
    kind = WAYS[way]["schedule.kind"]

    def tried(cut):
        settings = changes | WAYS[way] | stop_of(way, 1) | {f"schedule.{kind}.cut": cut, "training.learn": "false"}
        return cut, seconds_of(way, convoy.run(file, settings, f"{name}-{kind}-{cut}"))

    found = [(cut, seconds) for cut, seconds in pool.map(tried, range(1, layers)) if seconds]
    return min(found, key=lambda each: each[1]) if found else None


# --- Timing -------------------------------------------------------------------------------------


def time_case(convoy, pool, fleet, model):
    """Of each way a row: seconds of a round, of how many devices, the cut."""
    file = HERE / "study.toml"
    changes = FLEETS[fleet] | {"model.architecture": model}
    rows = []
    for way, settings in WAYS.items():
        name = f"{fleet}-{model}"
        row = dict(fleet=fleet, model=model, way=way, seconds=None, devices=DEVICES, cut="", predicted=None)
        extra = {}
        if way in ("splitfed", "one after another"):
            found = best_cut(convoy, pool, file, changes, way, name)
            if found:
                extra = {f"schedule.{settings['schedule.kind']}.cut": found[0]}
                row["cut"] = found[0]
            else:
                rows.append(row | dict(devices=0))
                continue
        summary = convoy.run(file, changes | settings | extra | stop_of(way, 1), f"{name}-{way}")
        if summary is None and way == "fedavg":  # some device does not hold the model
            summary = convoy.run(file, changes | settings | {"schedule.unfit": "skip"} | stop_of(way, 1), f"{name}-{way}")
            row["devices"] = int(summary["tasks"] / summary["rounds"]) if summary and summary["rounds"] else 0
        if way in OURS:
            plan = convoy.plan(file, changes | settings)
            row["predicted"] = plan["plan"]["round_s"]
            row["cut"] = " ".join(str(node["cut"]) for node in plan["plan"]["nodes"])
        if summary:
            row |= dict(seconds=seconds_of(way, summary), energy=summary["energy_j"],
                        bytes=summary["bytes_up"] + summary["bytes_down"], command=summary["command"])
        rows.append(row)
    return rows


def timing_lines(rows):
    """A line for each fleet and model: seconds of a round, and how often EdgeSplit's goes into the others'."""
    cases = list(dict.fromkeys((row["fleet"], row["model"]) for row in rows))
    lines = []
    for fleet, model in cases:
        of = {row["way"]: row for row in rows if (row["fleet"], row["model"]) == (fleet, model)}
        seconds = {way: row["seconds"] for way, row in of.items()}
        best = min((seconds[way] for way in OURS if seconds.get(way)), default=None)
        cells = [fleet, model]
        for way in WAYS:
            text = number(seconds.get(way))
            devices = of[way]["devices"] if way in of else DEVICES
            if seconds.get(way) and devices < DEVICES:
                text += f" ({devices} of {DEVICES})"
            cells.append(text)
        cells += [times(seconds.get(way), best) for way in ("fedavg", "splitfed", "one after another")]
        lines.append(cells)
    headings = ["fleet", "model", *(f"{way}, s" for way in WAYS), "over fedavg", "over splitfed", "over one after another"]
    return table(headings, lines)


def time_all(options):
    folder = pathlib.Path(options.output or "runs/edgesplit")
    convoy = study.Convoy("edgesplit", options.convoy, folder)
    rows = []
    with ThreadPoolExecutor(options.jobs or os.cpu_count()) as pool:
        for fleet in options.fleets or FLEETS:
            for model in options.models or MODELS:
                print(f"edgesplit: {fleet}, {model}", flush=True)
                rows += time_case(convoy, pool, fleet, model)
    study.write("edgesplit", folder, rows, ["Seconds of a round of 1,024 samples over all devices, timing only; splitfed and one after another with the "
                         "best of all cuts. Over: how often the shortest EdgeSplit goes into it.", ""] + timing_lines(rows))


# --- Learning -----------------------------------------------------------------------------------


def learn_all(options):
    folder = pathlib.Path(options.output or "runs/edgesplit-learn")
    convoy = study.Convoy("edgesplit", options.convoy, folder)
    file = HERE / "learn.toml"
    rows = []
    with ThreadPoolExecutor(options.jobs or os.cpu_count()) as pool:
        for way, settings in WAYS.items():
            extra = {}
            if way in ("splitfed", "one after another"):
                found = best_cut(convoy, pool, file, {}, way, "learn")
                if not found:
                    continue
                extra = {f"schedule.{settings['schedule.kind']}.cut": found[0]}
            print(f"edgesplit: {way} learns", flush=True)
            summary = convoy.run(file, settings | extra | stop_of(way, options.rounds), f"learn-{way}")
            if summary:
                rows.append(dict(way=way, cut=extra.get(f"schedule.{settings['schedule.kind']}.cut", "")) | summary)
    study.write("edgesplit", folder, rows, learned_lines(rows, options.rounds))


def learned_lines(rows, rounds):
    cells = [[row["way"], f"{100 * row['accuracy']:.1f}" if row["accuracy"] is not None else "-",
              number(row["virtual_time_s"]), number(row["time_to_accuracy_s"]),
              number((row["bytes_up"] + row["bytes_down"]) / 1e6), number(row["energy_j"])] for row in rows]
    return [f"{rounds} updates of each device, learned for real; one seed.", ""] + table(
        ["way", "accuracy at the end, %", "s", "s to the target", "MB", "J (workers)"], cells)


def self_test():
    """The tables, of made-up runs some of which were refused."""
    made = [dict(fleet="near", model="m", way=way, seconds=seconds, devices=devices, cut="", predicted=None)
            for way, seconds, devices in (("fedavg", 100.0, 6), ("splitfed", 30.0, 8), ("one after another", None, 0),
                                          ("edgesplit", 40.0, 8), ("edgesplit, guarantees", 20.0, 8),
                                          ("edgesplit, cuts alone", 25.0, 8))]
    head, rule, row = timing_lines(made)
    assert row == "| near | m | 100 (6 of 8) | 30.0 | - | 40.0 | 20.0 | 25.0 | 5.00x | 1.50x | - |", row
    assert head.count("|") == rule.count("|") == row.count("|")
    study.test_tables()
    assert seconds_of("one after another", {"rounds": 16, "virtual_time_s": 10.0}) == 5.0
    assert seconds_of("fedavg", {"rounds": 2, "virtual_time_s": 10.0}) == 5.0
    assert seconds_of("fedavg", None) is None and seconds_of("fedavg", {"rounds": 0, "virtual_time_s": 1.0}) is None

    class Made:
        """No cut below 3, none at 5; the best is 4 where rounds last (cut - 4)^2 + 1."""

        def plan(self, file, changes):
            return {"layers": 8}

        def run(self, file, changes, name):
            cut = changes["schedule.splitfed.cut"]
            return None if cut < 3 or cut == 5 else {"rounds": 1, "virtual_time_s": (cut - 4) ** 2 + 1.0}

    with ThreadPoolExecutor(2) as pool:
        assert best_cut(Made(), pool, "f", {}, "splitfed", "n") == (4, 1.0)
    learned = dict(way="fedavg", accuracy=0.912, virtual_time_s=12.0, time_to_accuracy_s=None, bytes_up=1e6, bytes_down=2e6,
                   energy_j=100.0)
    assert learned_lines([learned], 3)[-1] == "| fedavg | 91.2 | 12.0 | - | 3.00 | 100 |", learned_lines([learned], 3)[-1]


def main():
    parser = argparse.ArgumentParser(prog="./dev edgesplit", description=__doc__.split("\n")[0])
    parser.add_argument("--learn", action="store_true", help="learn a small model for real: accuracy, bytes and energy")
    parser.add_argument("--fleets", nargs="+", choices=FLEETS, help="these alone")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help=f"these (default: {', '.join(MODELS)})")
    parser.add_argument("--rounds", type=int, default=8, help="with --learn: updates of each device")
    study.add_arguments(parser, "edgesplit")
    options = parser.parse_args()
    if options.learn and (options.fleets or options.models):
        parser.error("--learn has its own fleet and model")
    study.begin("edgesplit", options, self_test, learn_all if options.learn else time_all)


if __name__ == "__main__":
    main()
