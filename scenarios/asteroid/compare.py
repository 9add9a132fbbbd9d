#!/usr/bin/env python3
"""Asteroid against data parallelism, GPipe, PipeDream, DAPPLE and one device alone.

./dev asteroid [--recovery | --pool] calls it. It leaves table.md and table.csv in its folder (runs/asteroid,
runs/asteroid-recovery, runs/asteroid-pool), and there the command of every run. It needs Python 3.11 and nothing else.
"""

import argparse
import contextlib
import os
import pathlib
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import timed as study  # noqa: E402
from timed import number, table, times  # noqa: E402

STUDY = HERE / "study.toml"
LINKS = ["ethernet-100m", "gigabit"]
MODELS = ["efficientnet-b1", "mobilenetv2", "resnet50", "bert-small"]
# Devices of each kind, Nano, TX2 and Xavier NX.
FLEETS = {"nano": (6, 0, 0), "tx2": (0, 6, 0), "nx": (0, 0, 6), "mixed": (2, 2, 2)}

WAYS = {
    "data parallel, ring": {"schedule.kind": "dataparallel", "schedule.dataparallel.shares": "equal"},
    "data parallel, server": {"schedule.kind": "dataparallel", "schedule.dataparallel.shares": "equal",
                              "schedule.dataparallel.reduce": "server"},
    "gpipe": {"schedule.kind": "gpipe", "schedule.pipeline.recompute": "true"},
    "pipedream": {"schedule.kind": "pipedream", "schedule.pipedream.limit_memory": "true"},
    "dapple": {"schedule.kind": "dapple"},
    "asteroid": {"schedule.kind": "asteroid"},
    "asteroid, order searched": {"schedule.kind": "asteroid", "schedule.asteroid.order": "search"},
}
ALONE = "one device alone"
NODES = "abcdef"  # as study.toml calls them
DEVICES = ("jetson-nano", "jetson-tx2", "jetson-xavier-nx-8gb")


def linked(fleet, link):
    devices = [device for device, count in zip(DEVICES, FLEETS[fleet]) for _ in range(count)]
    return {f"fleet.nodes.{i}.device": device for i, device in enumerate(devices)} | {
        f"fleet.nodes.{i}.link": link for i in range(len(devices))}


def rate_of(summary):
    """Samples/s and J of the devices for a thousand samples."""
    if summary is None or not summary["rounds"] or not summary["samples"]:
        return None, None
    return summary["samples"] / summary["virtual_time_s"], 1000 * summary["energy_j"] / summary["samples"]


# --- Throughput ---------------------------------------------------------------------------------


def time_case(convoy, fleet, link, model):
    """Of each way a row: samples/s, J, the plan's stages."""
    changes = linked(fleet, link) | {"model.architecture": model}
    rows = []
    for way, settings in WAYS.items():
        row = dict(fleet=fleet, link=link, model=model, way=way, rate=None, energy=None, stages="")
        name = f"{fleet}-{link}-{model}-{way}".replace(" ", "-").replace(",", "")
        summary = convoy.run(STUDY, changes | settings, name)
        if summary is None:
            row["refused"] = convoy.refused[name].splitlines()[-1] if convoy.refused[name] else ""
        else:
            row["rate"], row["energy"] = rate_of(summary)
            row["command"] = summary["command"]
            plan = convoy.plan(STUDY, changes | settings)["plan"]
            row["stages"] = "-".join(str(len(stage["members"])) for stage in plan["stages"])
            row["closed_form_s"], row["simulated_s"] = plan["closed_form_s"], plan["simulated_s"]
        rows.append(row)
    rows.append(alone(convoy, changes, fleet, link, model))
    return rows


def alone(convoy, changes, fleet, link, model):
    """The fastest of the fleet's devices with the whole model; the others do nothing."""
    best = dict(fleet=fleet, link=link, model=model, way=ALONE, rate=None, energy=None, stages="1")
    for node in {device: node for node, device in zip(NODES, (changes[f"fleet.nodes.{i}.device"] for i in range(6)))}.values():
        name = f"{fleet}-{link}-{model}-alone-{node}"
        summary = convoy.run(STUDY, changes | {"schedule.kind": "asteroid",
                                               "schedule.pipeline.stages": f'[{{ nodes = "{node}" }}]'}, name)
        rate, energy = rate_of(summary)
        if rate and (best["rate"] is None or rate > best["rate"]):
            best |= dict(rate=rate, energy=energy, command=summary["command"])
    return best


def ours_of(of):
    return max((of[way]["rate"] for way in of if way.startswith("asteroid") and of[way]["rate"]), default=None)


def rate_lines(rows):
    """A line for each fleet, link and model: samples/s of each way, the stages of Asteroid's plan."""
    cases = list(dict.fromkeys((row["fleet"], row["link"], row["model"]) for row in rows))
    lines = []
    for case in cases:
        of = {row["way"]: row for row in rows if (row["fleet"], row["link"], row["model"]) == case}
        best = ours_of(of)
        rates = [number(of[way]["rate"]) if way in of else "-" for way in (*WAYS, ALONE)]
        others = [of[way]["rate"] for way in of if way in ("pipedream", "dapple") and of[way]["rate"]]
        plain = [of[way]["rate"] for way in of if (way.startswith("data") or way == "gpipe") and of[way]["rate"]]
        lines.append([*case, *rates, of["asteroid"]["stages"] if "asteroid" in of else "",
                      times(best, max(plain, default=None)), times(best, min(plain, default=None)),
                      times(best, max(others, default=None)), times(best, min(others, default=None))])
    return table(["fleet", "link", "model", *WAYS, ALONE, "devices of asteroid's stages", "over the best of data parallel and gpipe",
                  "over the worst of them", "over the better of pipedream and dapple", "over the worse"], lines)


def energy_lines(rows):
    cases = list(dict.fromkeys((row["fleet"], row["link"], row["model"]) for row in rows))
    lines = []
    for case in cases:
        of = {row["way"]: row for row in rows if (row["fleet"], row["link"], row["model"]) == case}
        lines.append([*case, *(number(of[way]["energy"]) if way in of else "-" for way in (*WAYS, ALONE))])
    return table(["fleet", "link", "model", *WAYS, ALONE], lines)


def time_all(options):
    folder = pathlib.Path(options.output or "runs/asteroid")
    convoy = study.Convoy("asteroid", options.convoy, folder)
    cases = [(fleet, link, model) for fleet in options.fleets or FLEETS for link in options.links or LINKS
             for model in options.models or MODELS]
    rows = []
    with ThreadPoolExecutor(options.jobs or os.cpu_count()) as pool:
        for case, found in zip(cases, pool.map(lambda case: time_case(convoy, *case), cases)):
            print(f"asteroid: {', '.join(case)}", flush=True)
            rows += found
    study.write("asteroid", folder, rows,
                ["Samples/s, simulated; -: no plan fits, or the run was refused (table.csv has what was said).", ""]
                + rate_lines(rows) + ["", "J of the devices for 1,000 samples, idle time included.", ""] + energy_lines(rows))


# --- Recovery -----------------------------------------------------------------------------------


def recovery_of(summary):
    """Of the loss that ended a round: (s to its notice, s from then to the start of the next round, bytes that moved, of these
    the server's, s of work that was lost)."""
    with contextlib.closing(sqlite3.connect(f"file:{summary['folder']}/run.sqlite?mode=ro", uri=True)) as store:
        noticed = store.execute("SELECT time_s FROM journal WHERE kind = 'timer_fired' ORDER BY sequence").fetchall()
        moves = store.execute("SELECT node, peer, bytes FROM traffic WHERE artifact = 'weights' AND label IN "
                              "('weights', 'gather', 'distribute')").fetchall()
        tasks = store.execute("SELECT label, assigned_s, ended_s, outcome FROM task ORDER BY assigned_s, id").fetchall()
    lost = [task for task in tasks if task[0] == "round" and task[3] == "node_lost"]
    if not lost:
        return None
    _, begun, at, _ = lost[0]
    again = [task[1] for task in tasks if task[0] == "round" and task[1] >= at]
    if not again:
        return None
    waited = next((time for time, in noticed if time >= at), at) - at
    moved = [sum(sent for *ends, sent in moves if not only or 0 in ends) for only in (False, True)]
    return waited, again[0] - at - waited, *moved, at - begun


def recover(convoy, link, model, heartbeat):
    """A device of each stage of the mixed fleet is lost in the midst of a round, light replay against rescheduling."""
    changes = linked("mixed", link) | {"model.architecture": model, "schedule.pipeline.rounds": 1}
    if heartbeat:
        changes["schedule.pipeline.heartbeat.period_s"] = heartbeat
    plan = convoy.plan(STUDY, changes)["plan"]
    at = 1.5 * plan["simulated_s"]
    rows = []
    for index, stage in enumerate(plan["stages"]):
        node = stage["members"][0]["node"]
        row = dict(link=link, model=model, stage=index + 1, of=len(plan["stages"]), devices=len(stage["members"]), node=node)
        for recovery in ("light", "full"):
            summary = convoy.run(STUDY, changes | {
                "schedule.asteroid.recovery": recovery, "stop.rounds": 4,
                f"fleet.nodes.{NODES.index(node)}.outages": f"[{{ at_s = {at}, for_s = 1e9 }}]"},
                f"{link}-{model}-{index}-{recovery}")
            found = summary and recovery_of(summary)
            (row["noticed_s"], row[f"{recovery}_s"], row[f"{recovery}_bytes"], row[f"{recovery}_server_bytes"],
             row["redone_s"]) = found or (None,) * 5
        rows.append(row)
    return rows


def recovery_lines(rows):
    def moved(row, recovery):
        every, server = row[f"{recovery}_bytes"], row[f"{recovery}_server_bytes"]
        return "-" if every is None else f"{number(every / 1e6)} ({number(server / 1e6)})"

    return table(["link", "model", "stage", "its devices", "lost", "noticed after, s", "then light, s", "then rescheduled, s", "times",
                  "light, MB (the server's)", "rescheduled, MB (the server's)", "done anew, s"],
                 [[row["link"], row["model"], f"{row['stage']} of {row['of']}", row["devices"], row["node"], number(row["noticed_s"]),
                   number(row["light_s"]), number(row["full_s"]), times(row["full_s"], row["light_s"]) if row["light_s"] else "-",
                   moved(row, "light"), moved(row, "full"), number(row["redone_s"])] for row in rows])


def recover_all(options):
    folder = pathlib.Path(options.output or "runs/asteroid-recovery")
    convoy = study.Convoy("asteroid", options.convoy, folder)
    cases = [(link, model) for link in options.links or LINKS for model in options.models or MODELS]
    with ThreadPoolExecutor(options.jobs or os.cpu_count()) as pool:
        rows = [row for found in pool.map(lambda case: recover(convoy, *case, options.heartbeat), cases) for row in found]
    study.write("asteroid", folder, rows, ["From the notice of a device's loss to the next round, after light replay and after rescheduling; what moved.", ""]
                + recovery_lines(rows))


# --- The pool of a house ------------------------------------------------------------------------


POOL = HERE / "resource-pool.toml"
POOL_MODELS = ["bert-small", "bert-base", "bert-large"]
POOL_ALONE = ["desktop", "robot", "television", "phone"]
POOL_WAYS = {f"{node} alone": {"schedule.kind": "asteroid", "schedule.pipeline.stages": f'[{{ nodes = "{node}" }}]'}
             for node in POOL_ALONE} | {
    "data parallel, ring": WAYS["data parallel, ring"],
    "data parallel, by speed": {"schedule.kind": "dataparallel", "schedule.dataparallel.shares": "speed"},
    "asteroid": WAYS["asteroid"],
    "asteroid, order searched": WAYS["asteroid, order searched"],
}


def pool_row(convoy, model, way):
    """What the pool makes of a model in this way: samples/s, J, the rounds that a loss has ended."""
    summary = convoy.run(POOL, {"model.architecture": model} | POOL_WAYS[way], f"{model}-{way}".replace(" ", "-").replace(",", ""))
    rate, energy = rate_of(summary)
    return dict(model=model, way=way, rate=rate, energy=energy, ended=None if summary is None else summary["tasks_failed"],
                command=None if summary is None else summary["command"])


def pool_lines(rows):
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = []
    for model in models:
        of = {row["way"]: row for row in rows if row["model"] == model}
        rates = [of[way]["rate"] for way in POOL_WAYS]
        best = ours_of(of)
        one = max((of[way]["rate"] for way in POOL_WAYS if way.endswith(" alone") and of[way]["rate"]), default=None)
        data = max((of[way]["rate"] for way in POOL_WAYS if way.startswith("data") and of[way]["rate"]), default=None)
        lines.append([model, *map(number, rates), times(best, one), times(best, data),
                      "-" if of["asteroid"]["ended"] is None else of["asteroid"]["ended"]])
    return table(["model", *POOL_WAYS, "over the best alone", "over data parallel", "rounds that a loss ended"], lines)


def pool_energy(rows):
    models = list(dict.fromkeys(row["model"] for row in rows))
    return table(["model", *POOL_WAYS], [[model, *(number(row["energy"]) for row in rows if row["model"] == model)] for model in models])


def pool_all(options):
    folder = pathlib.Path(options.output or "runs/asteroid-pool")
    convoy = study.Convoy("asteroid", options.convoy, folder)
    cases = [(model, way) for model in options.models or POOL_MODELS for way in POOL_WAYS]
    with ThreadPoolExecutor(options.jobs or os.cpu_count()) as pool:
        rows = list(pool.map(lambda case: pool_row(convoy, *case), cases))
    study.write("asteroid", folder, rows, ["Samples/s over the time of resource-pool.toml; -: it does not fit.", ""] + pool_lines(rows)
                + ["", "J of all devices for 1,000 samples, idle time included.", ""] + pool_energy(rows))


def self_test():
    """The tables, of made-up runs some of which were refused."""
    study.test_tables()
    made = [dict(fleet="mixed", link="gigabit", model="m", way=way, rate=rate, energy=2.0, stages="2-1")
            for way, rate in zip((*WAYS, ALONE), (10.0, None, 20.0, 25.0, 40.0, 50.0, 60.0, 5.0))]
    head, rule, row = rate_lines(made)
    assert row == ("| mixed | gigabit | m | 10.0 | - | 20.0 | 25.0 | 40.0 | 50.0 | 60.0 | 5.00 | 2-1 | 3.00x | 6.00x | 1.50x | 2.40x |"), row
    assert head.count("|") == rule.count("|") == row.count("|")
    assert energy_lines(made)[-1].count("| 2.00 ") == 8
    assert rate_of(None) == (None, None) and rate_of({"rounds": 0, "samples": 1}) == (None, None)
    assert rate_of({"rounds": 1, "samples": 200, "virtual_time_s": 4.0, "energy_j": 10.0}) == (50.0, 50.0)
    lost = dict(link="gigabit", model="m", stage=1, of=2, devices=1, node="a", noticed_s=2.5, light_s=2.0, light_bytes=1e6,
                light_server_bytes=0, full_s=28.0, full_bytes=9e6, full_server_bytes=9e6, redone_s=3.0)
    assert recovery_lines([lost])[-1] == "| gigabit | m | 1 of 2 | 1 | a | 2.50 | 2.00 | 28.0 | 14.00x | 1.00 (0) | 9.00 (9.00) | 3.00 |", recovery_lines([lost])
    pooled = [dict(model="m", way=way, rate=rate, energy=2.0, ended=1)
              for way, rate in zip(POOL_WAYS, (20.0, None, 5.0, None, 8.0, 10.0, 40.0, 30.0))]
    assert pool_lines(pooled)[-1] == "| m | 20.0 | - | 5.00 | - | 8.00 | 10.0 | 40.0 | 30.0 | 2.00x | 4.00x | 1 |", pool_lines(pooled)
    assert pool_energy(pooled)[-1].count("| 2.00 ") == len(POOL_WAYS)


def main():
    parser = argparse.ArgumentParser(prog="./dev asteroid", description=__doc__.split("\n")[0])
    parser.add_argument("--recovery", action="store_true", help="the time from the loss of a device of each stage to the next round")
    parser.add_argument("--heartbeat", type=float, metavar="S", help="with --recovery: devices tell every S s that they are there")
    parser.add_argument("--pool", action="store_true", help="the devices of one house: alone, data parallel, as a pipeline")
    parser.add_argument("--fleets", nargs="+", choices=FLEETS, help="these alone")
    parser.add_argument("--links", nargs="+", choices=LINKS, help="these alone")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help=f"these (default: {', '.join(MODELS)})")
    study.add_arguments(parser, "asteroid")
    options = parser.parse_args()
    if (options.recovery or options.pool) and options.fleets:
        parser.error("--recovery and --pool have their own fleets")
    if options.pool and (options.recovery or options.links):
        parser.error("--pool has its own links, and no --recovery")
    study.begin("asteroid", options, self_test, recover_all if options.recovery else pool_all if options.pool else time_all)


if __name__ == "__main__":
    main()
