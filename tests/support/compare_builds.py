#!/usr/bin/env python3
"""Runs the same scenarios with two builds of Convoy and compares everything that they record.

    compare_builds.py OLD_CONVOY NEW_CONVOY [NAME...]
    compare_builds.py OLD_CONVOY NEW_CONVOY --old-node OLD_CONVOY_NODE --new-node NEW_CONVOY_NODE

Every table of the two stores, the weights byte by byte and the summaries are to be the same, but
for what tells of the machine and the hour. A store of version 4 is lifted first (lift_store.py), so
that aggregations have the same ids, kinds and rows on both sides. With two agents the times are
measured: versions, updates and weights are compared then. Exit status: 0 the same, 1 something
differs (it says what), 2 bad usage or a run that did not go as it should.

The scenarios are those in comparison/, spelt as both builds read them, and the product's own that
take seconds, as they stand beside the old build (OLD_CONVOY/../../scenarios, or --scenarios).
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lift_store

OWN = Path(__file__).resolve().parent / "comparison"
LONGEST_S = 600

# Allowed differences between builds: printed, but not counted as differences.
NOT_OF_THE_RUN = {"wall_time_s", "store"}
SHOWN = 5  # differences of a table that are printed
WIDTH = 120  # characters of a value


class Failed(Exception):
    """A run failed; nothing could be compared."""


class Case:
    """A scenario and how it is run."""

    def __init__(self, name, file=None, sets=(), status=0, how="run", lines=None):
        self.name = name
        self.file = file if file is not None else OWN / f"{name}.toml"
        self.sets = [word for setting in sets for word in ("--set", setting)]
        self.status = status
        self.how = how  # run, sweep, killed
        self.lines = lines  # of the journal at which it is killed; None: half of a whole run's


def cases(product):
    return [
        Case("cos2p-learned"),
        Case("cos2p-sampled"),
        Case("cos2p-random-drop"),
        Case("fedavg-participants"),
        Case("fedavg-deadline"),
        Case("fedavg-depth"),
        Case("judged-by-time"),
        Case("world"),
        Case("world-fedavg", OWN / "world.toml",
             ["schedule.kind=fedavg", "schedule.deadline_s=30", "schedule.participants=5"]),
        Case("by-hand"),
        Case("by-hand-fedavg", OWN / "by-hand.toml", ["schedule.kind=fedavg"]),
        Case("unfit"),
        Case("server-out-of-memory", status=1),
        Case("killed-learning", OWN / "cos2p-sampled.toml", how="killed"),
        Case("killed-timing", OWN / "world.toml", ["stop.tasks=8000"], how="killed", lines=1),
        Case("swept", how="sweep"),
        Case("resnet18-16", product / "resnet18-16.toml"),
        Case("cos2p-16", product / "cos2p-16.toml"),
        Case("replay", product / "replay.toml"),
        Case("device-mixes", product / "device-mixes.toml", how="sweep"),
        Case("quickstart", product / "quickstart.toml", ["stop.tasks=64"]),
        Case("testbed", product / "testbed.toml", ["stop.tasks=40", "schedule.kind=fedavg"]),
    ]


# --- running ------------------------------------------------------------------------------------


def finished(command, wanted):
    """Runs a command to its end; gives its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if done.returncode != wanted:
        raise Failed(f"{' '.join(map(str, command))}\nended with {done.returncode}, not {wanted}:\n"
                     f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def journal_lines(folder):
    try:
        file = (folder / "run.sqlite").resolve().as_uri()
        with contextlib.closing(sqlite3.connect(f"{file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT COUNT(*) FROM journal").fetchone()[0]
    except sqlite3.Error:
        return 0  # does not exist yet


def kill_under_way(command, folder, lines):
    """Starts a run and kills it when its journal has this number of lines; False: it was finished."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while child.poll() is None:
            if journal_lines(folder) >= lines:
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        return child.wait() == -signal.SIGKILL


def run_case(case, convoy, folder):
    """Runs a case; gives its output as JSON, by the name of each run."""
    verb = "sweep" if case.how == "sweep" else "run"
    out = folder / case.name
    command = [convoy, verb, case.file, "--json", "-o", out, *case.sets]
    if verb == "run":
        command.append("--quiet")
    if case.how != "killed":
        return json.loads(finished(command, case.status))
    whole = folder / f"{case.name}-whole"
    finished([convoy, "run", case.file, "--quiet", "-o", whole, *case.sets], 0)
    lines = case.lines or journal_lines(whole) // 2
    if not kill_under_way(command, out, lines):
        raise Failed(f"{case.name}: the run was through before it could be killed")
    summary = json.loads(finished([*command, "--resume"], 0))
    report = Report(f"{case.name}, resumed and never stopped")
    compare_runs(whole, out, report)
    if report.differences:
        raise Failed(f"{case.name}: a resumed run of {convoy} is not what it would have been:\n"
                     f"{report.text()}")
    return summary


# --- comparing ----------------------------------------------------------------------------------


class Report:
    """The compared tables of a scenario, and the differences."""

    def __init__(self, name):
        self.name = name
        self.differences = []
        self.notes = []
        self.compared = []

    def differ(self, what):
        self.differences.append(what)

    def text(self):
        lines = [f"    {note}" for note in self.notes]
        return "\n".join(lines + [f"  ! {difference}" for difference in self.differences])


def shown(value):
    text = repr(value)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def same(a, b):
    return type(a) is type(b) and (a == b or a != a and b != b)


def compare_rows(table, old, new, report, ignored=()):
    """Compares rows (dictionaries), in order; columns by name."""
    report.compared.append(f"{len(old)} {table}")
    if len(old) != len(new):
        report.differ(f"{table}: {len(old)} rows before, {len(new)} now")
    names_old = set(old[0]) if old else set()
    names_new = set(new[0]) if new else set()
    if old and new and names_old != names_new:
        for name in sorted(names_old - names_new):
            report.differ(f"{table}: the column {name} is gone")
        added = sorted(names_new - names_old)
        if added:
            report.notes.append(f"{table}: new columns, not compared: {', '.join(added)}")
    names = [n for n in (old[0] if old else []) if n in names_new and n not in ignored]
    count = 0
    for at, (a, b) in enumerate(zip(old, new)):
        unlike = [n for n in names if not same(a[n], b[n])]
        if not unlike:
            continue
        count += 1
        if count <= SHOWN:
            what = ", ".join(f"{n} {shown(a[n])} -> {shown(b[n])}" for n in unlike)
            key = next((f"{n} {a[n]}" for n in ("id", "version", "sequence", "task") if n in a), "")
            report.differ(f"{table}: row {at} ({key}): {what}")
    if count > SHOWN:
        report.differ(f"{table}: {count - SHOWN} other rows differ, too")


def sortable(row):
    return [(value is not None, value) for value in row.values()]


def load(path, scratch):
    """All tables of a store as in the version of now, and the version in which it was written."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        version = lift_store.version_of(database)
    if version in lift_store.FROM:
        lifted = scratch / "lifted.sqlite"
        lifted.unlink(missing_ok=True)
        lift_store.lift_file(path, lifted)
        path = lifted
    elif version != lift_store.TO:
        raise Failed(f"{path}: is a store of version {version}, which this does not know")
    orders = {"task": "id", "node": "id", "journal": "sequence", "aggregation": "version",
              "evaluation": "version, time_s, exit"}
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        names = [n for (n,) in
                 database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                                  "AND name <> 'node_group'")]
        tables = {n: lift_store.rows_of(database, n, orders.get(n, "rowid")) for n in names}
    tables["activity"].sort(key=sortable)
    return tables, version


def compare_tables(old, new, versions, report):
    lifted = 4 in versions and versions[0] != versions[1]
    # Two builds may resolve the same file to different texts; then the hashes differ, too.
    spelling = {"scenario", "scenario_hash", "version"} if lifted else {"version"}
    if old["run"] and new["run"] and old["run"][0]["scenario"] != new["run"][0]["scenario"]:
        report.notes.append("run: the resolved scenario is spelt otherwise")
    compare_rows("run", old["run"], new["run"], report, spelling)
    # Columns that the older build did not record.
    unknown = {}
    if min(versions) < 6 <= max(versions):
        unknown["evaluation"] = set(lift_store.TAKEN)
    if min(versions) < 7 <= max(versions):
        unknown["journal"] = {"because"}
    if min(versions) < 10 <= max(versions):
        unknown |= {table: set(columns) for table, columns in lift_store.WAITS.items()}
    for table in ("node", "evaluation", "presence", "aggregation", "journal", "activity"):
        compare_rows(table, old[table], new[table], report, unknown.get(table, set()))
    is_update = {row["id"]: row["kind"] == "update" for row in old["task"] + new["task"]}
    for kind, update in (("task", True), ("aggregating task", False)):
        sides = [[r for r in s["task"] if is_update[r["id"]] == update] for s in (old, new)]
        sums = unknown.get("task", set())
        if lifted and not update and not old["activity"]:
            sums = sums | {"busy_s", "flops", "energy_j"}  # version 4 did not record them
        compare_rows(kind, *sides, report, sums)
    for table in ("traffic", "memory"):
        if table in old and table in new:  # builds of before do not record it
            compare_rows(table, old[table], new[table], report)
    # No row of the new store is skipped.
    known = {"run", "node", "evaluation", "presence", "aggregation", "journal", "activity", "task",
             "host", "reading", "traffic", "memory"}
    for table in sorted((set(old) ^ set(new)) - known):
        report.notes.append(f"only one side has the table {table}")


def compare_runs(old, new, report):
    """Compares the folders of two runs."""
    with tempfile.TemporaryDirectory() as scratch:
        before, old_version = load(old / "run.sqlite", Path(scratch))
        after, new_version = load(new / "run.sqlite", Path(scratch))
    compare_tables(before, after, (old_version, new_version), report)
    compare_weights(old, new, report)


def compare_weights(old, new, report):
    weights = [folder / "model.safetensors" for folder in (old, new)]
    there = [file.is_file() for file in weights]
    if there[0] != there[1]:
        report.differ(f"model.safetensors: {'gone' if there[0] else 'came'}")
    elif there[0]:
        a, b = (file.read_bytes() for file in weights)
        report.compared.append(f"{len(a)} bytes of weights")
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            report.differ(f"model.safetensors: differs from byte {at} on ({len(a)} and {len(b)})")


def compare_json(old, new, report, where="summary"):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key in NOT_OF_THE_RUN or key == "hash":
                continue
            if key not in new:
                report.differ(f"{where}: {key} is gone")
            else:
                compare_json(old[key], new[key], report, f"{where}, {key}")
        added = [key for key in new if key not in old]
        if added:
            report.notes.append(f"{where}: new, not compared: {', '.join(added)}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (a, b) in enumerate(zip(old, new)):
            compare_json(a, b, report, f"{where} {at}")
    elif not same(old, new):
        report.differ(f"{where}: {shown(old)} -> {shown(new)}")


def points_of(folder):
    """The folders of a sweep's points, by their settings."""
    index = json.loads((folder / "sweep.json").read_text())
    return {" ".join(p["settings"]): folder / "points" / p["hash"] for p in index["points"]}


def compare_case(case, old_folder, new_folder, printed, report):
    compare_json(*printed, report)
    old, new = old_folder / case.name, new_folder / case.name
    if case.how != "sweep":
        compare_runs(old, new, report)
        return
    before, after = points_of(old), points_of(new)
    if list(before) != list(after):
        report.differ(f"points: {list(before)} -> {list(after)}")
        return
    for settings, folder in before.items():
        point = Report(settings)
        summaries = [json.loads((f / "summary.json").read_text())
                     for f in (folder, after[settings])]
        compare_json(*summaries, point)
        if (folder / "run.sqlite").exists():
            compare_runs(folder, after[settings], point)
        report.differences += [f"point {settings}: {what}" for what in point.differences[:SHOWN]]
        report.notes += [n for n in point.notes if n not in report.notes]
    report.compared.append(f"{len(before)} points")


# --- with two agents ----------------------------------------------------------------------------

# If a round waits for all nodes, these do not depend on any duration.
UNTIMED = {
    "run": ["name", "schedule", "seed", "world", "status", "cause"],
    "node": ["id", "name", "device", "mode", "link", "backend", "memory_bytes", "samples", "batch",
             "bytes_in", "bytes_out", "tasks", "tasks_failed"],
    "task": ["id", "node", "label", "kind", "rate", "samples", "base_version", "outcome",
             "aggregated_version", "staleness", "consumed_by", "published_version", "bytes_down",
             "bytes_up", "flops", "kept", "loss", "local_accuracy", "share"],
    "activity": ["task", "activity", "iteration", "attempt", "kind", "label", "node", "peer",
                 "bytes", "flops", "real", "cause"],
    "aggregation": ["version", "task", "updates", "samples", "staleness_mean", "staleness_max",
                    "coverage_min", "untrained"],
    "evaluation": ["version", "exit", "blocks", "judged", "loss", "top1", "top5", "f1",
                   "untrained"],
}


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_with_agents(convoy, node, file, folder):
    endpoint = f"127.0.0.1:{free_port()}"
    agents = []
    try:
        for name in ("a", "b"):
            with open(folder / f"{name}.log", "wb") as log:
                agents.append(subprocess.Popen(
                    [node, "--connect", endpoint, "--name", name, "--insecure", "--retry-s", "0.5"],
                    stdout=log, stderr=subprocess.STDOUT))
        finished([convoy, "run", file, "--quiet", "--listen", endpoint, "--insecure", "-o",
                  folder / "real"], 0)
    finally:
        for agent in agents:
            agent.kill()
            agent.wait()
    return folder / "real"


def untimed(tables):
    kept = {}
    for table, columns in UNTIMED.items():
        rows = [{c: row[c] for c in columns if c in row} for row in tables[table]]
        kept[table] = sorted(rows, key=sortable)
    return kept


def compare_with_agents(old, new, report):
    with tempfile.TemporaryDirectory() as scratch:
        before, _ = load(old / "run.sqlite", Path(scratch))
        after, _ = load(new / "run.sqlite", Path(scratch))
    before, after = untimed(before), untimed(after)
    if sum(row["backend"] == "hil" for row in before["node"]) != 2:
        raise Failed("two agents: they were not both real")
    for table in UNTIMED:
        compare_rows(table, before[table], after[table], report)
    compare_weights(old, new, report)


# --- the command --------------------------------------------------------------------------------


def show(report, seconds):
    print(f"{'DIFFERS' if report.differences else 'same':8}{report.name:24}"
          f"{seconds[0]:6.1f} s {seconds[1]:6.1f} s  {', '.join(report.compared)}")
    if report.notes or report.differences:
        print(report.text())
    sys.stdout.flush()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of scenarios; without: all")
    parser.add_argument("--old-node", type=Path, help="its agent: compares a run with two of them")
    parser.add_argument("--new-node", type=Path)
    parser.add_argument("--agents-only", action="store_true", help="no scenario but that")
    parser.add_argument("--scenarios", type=Path, help="the product's, as the old build reads them")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; else they go")
    chosen = parser.parse_args(arguments)
    for program in (chosen.old, chosen.new, chosen.old_node, chosen.new_node):
        if program is not None and not os.access(program, os.X_OK):
            parser.error(f"{program} is no program")
    if (chosen.old_node is None) != (chosen.new_node is None):
        parser.error("--old-node and --new-node go together")
    if chosen.agents_only and chosen.old_node is None:
        parser.error("--agents-only needs --old-node and --new-node")
    if chosen.scenarios is None:
        chosen.scenarios = chosen.old.resolve().parent.parent / "scenarios"
    chosen.cases = [] if chosen.agents_only else cases(chosen.scenarios)
    if chosen.names:
        unknown = set(chosen.names) - {case.name for case in chosen.cases}
        if unknown:
            parser.error(f"no scenario {', '.join(sorted(unknown))}; there are "
                         f"{', '.join(case.name for case in chosen.cases)}")
        chosen.cases = [case for case in chosen.cases if case.name in chosen.names]
    return chosen


def compare_all(chosen, folder):
    sides = [folder / "old", folder / "new"]
    for side in sides:
        side.mkdir(parents=True)
    differing = 0
    for case in chosen.cases:
        report, printed, seconds = Report(case.name), [], []
        for convoy, side in zip((chosen.old, chosen.new), sides):
            begun = time.monotonic()
            printed.append(run_case(case, convoy.resolve(), side))
            seconds.append(time.monotonic() - begun)
        compare_case(case, *sides, printed, report)
        show(report, seconds)
        differing += bool(report.differences)
    if chosen.old_node is not None:
        report, runs, seconds = Report("two agents"), [], []
        for convoy, node, side in ((chosen.old, chosen.old_node, sides[0]),
                                   (chosen.new, chosen.new_node, sides[1])):
            begun = time.monotonic()
            runs.append(run_with_agents(convoy.resolve(), node.resolve(), OWN / "two-agents.toml",
                                        side))
            seconds.append(time.monotonic() - begun)
        compare_with_agents(*runs, report)
        show(report, seconds)
        differing += bool(report.differences)
    count = len(chosen.cases) + (chosen.old_node is not None)
    print(f"{count} compared, {differing} of them differ")
    return 1 if differing else 0


def main(arguments):
    chosen = parse(arguments)
    try:
        if chosen.keep is not None:
            return compare_all(chosen, chosen.keep.resolve())
        with tempfile.TemporaryDirectory(prefix="convoy-comparison-") as folder:
            return compare_all(chosen, Path(folder).resolve())
    except (Failed, lift_store.NotLifted, OSError, subprocess.TimeoutExpired) as problem:
        print(f"compare_builds: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
