#!/usr/bin/env python3
"""Converts the store of a run from version 4 to 9 to version 10, into a copy.

    lift_store.py RUN COPY      folders of runs: other files are copied unchanged
    lift_store.py FILE COPY     files of stores

In version 4 an aggregation was a number below -1 in the table of activities and a special order in
the journal, without a row in the table of tasks. Since version 5 it is a task like any other. Version
6 has the run's costs so far with each evaluation. Version 7 has the event that each order answers,
version 8 whether a node had data of its own (before: taken for assigned), version 9 the objective of
training and the norm of its gradient, version 10 the waits for memory. Since version 10 the rows of
nodes stand for groups, and each node has a row in a view: here each node is a group.
A converted store can be replayed and compared with new ones. Values that older versions did not
record stay empty: bytes and energy up to an evaluation, the objective and its gradient, the event
that an order answers, waits for memory, and with record = "task" the FLOPs and the energy of
aggregations of version 4.
"""

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

FROM, TO = (4, 5, 6, 7, 8, 9), 10
FIRST_AGGREGATION = 1_000_000_000_000  # ids of aggregations, in the order of their orders

# The changed tables as in version 10; all others are copied unchanged.
SCHEMA = {
    "node_group": """CREATE TABLE node_group (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, device TEXT NOT NULL, mode TEXT NOT NULL,
  link TEXT NOT NULL, backend TEXT NOT NULL, memory_bytes REAL NOT NULL, samples INTEGER NOT NULL,
  batch INTEGER NOT NULL, data TEXT NOT NULL, alike INTEGER NOT NULL, number INTEGER, busy_s REAL, communicating_s REAL, waiting_s REAL,
  away_s REAL, bytes_in REAL, bytes_out REAL, peak_memory_bytes REAL, energy_j REAL, tasks INTEGER,
  tasks_failed INTEGER, memory_waits INTEGER, memory_wait_s REAL)""",
    "task": """CREATE TABLE task (
  id INTEGER NOT NULL, node INTEGER NOT NULL, label TEXT NOT NULL, kind TEXT NOT NULL,
  rate REAL NOT NULL, samples REAL NOT NULL, base_version INTEGER NOT NULL,
  assigned_s REAL NOT NULL, ended_s REAL NOT NULL, outcome TEXT NOT NULL,
  aggregated_version INTEGER, staleness INTEGER, consumed_by INTEGER, published_version INTEGER,
  busy_s REAL NOT NULL, communicating_s REAL NOT NULL, bytes_down REAL NOT NULL,
  bytes_up REAL NOT NULL, flops REAL NOT NULL, energy_j REAL, kept REAL, loss REAL,
  local_accuracy REAL, share REAL, memory_wait_s REAL)""",
    "activity": """CREATE TABLE activity (
  task INTEGER NOT NULL, activity INTEGER NOT NULL, iteration INTEGER NOT NULL,
  attempt INTEGER NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, node INTEGER NOT NULL,
  peer INTEGER, ready_s REAL NOT NULL, start_s REAL, end_s REAL NOT NULL, bytes REAL NOT NULL,
  flops REAL NOT NULL, energy_j REAL, real INTEGER NOT NULL, predicted_s REAL,
  cause TEXT NOT NULL, memory_asked_s REAL)""",
    "aggregation": """CREATE TABLE aggregation (
  version INTEGER PRIMARY KEY, task INTEGER NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL,
  updates INTEGER NOT NULL, samples REAL NOT NULL, staleness_mean REAL NOT NULL,
  staleness_max INTEGER NOT NULL, coverage_min INTEGER, untrained REAL)""",
    "evaluation": """CREATE TABLE evaluation (
  version INTEGER NOT NULL, time_s REAL NOT NULL, exit INTEGER NOT NULL, blocks INTEGER NOT NULL,
  judged INTEGER NOT NULL, loss REAL, top1 REAL NOT NULL, top5 REAL NOT NULL, f1 REAL NOT NULL,
  untrained REAL NOT NULL, bytes REAL, energy_j REAL, energy_server_j REAL,
  gradient_norm REAL, objective REAL)""",
    "journal": """CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY, time_s REAL NOT NULL, entry TEXT NOT NULL, kind TEXT NOT NULL,
  node INTEGER NOT NULL, task INTEGER NOT NULL, detail TEXT NOT NULL, because INTEGER)""",
}
# As sim/store/node_groups.cpp has it.
NODES = """CREATE VIEW node AS WITH RECURSIVE one(id) AS (
  SELECT 0 UNION ALL SELECT id + 1 FROM one
  WHERE id + 1 < (SELECT MAX(id + alike) FROM node_group))
  SELECT one.id AS id,
    CASE WHEN number IS NULL THEN name ELSE name || '-' || (number + one.id - g.id) END AS name,
    device, mode, link, backend, memory_bytes, samples, batch, data, busy_s, communicating_s,
    waiting_s, away_s, bytes_in, bytes_out, peak_memory_bytes, energy_j, tasks, tasks_failed,
    memory_waits, memory_wait_s
  FROM one CROSS JOIN node_group g ON g.id = (SELECT MAX(id) FROM node_group WHERE id <= one.id)
    AND one.id < g.id + g.alike"""
# Columns of evaluations that versions 4 and 5 do not have.
TAKEN = ("bytes", "energy_j", "energy_server_j")
# And those that versions 4 to 8 do not have.
OBJECTIVE = ("gradient_norm", "objective")
# And those that versions 4 to 9 do not have.
WAITS = {"node": ("memory_waits", "memory_wait_s"), "task": ("memory_wait_s",),
         "activity": ("memory_asked_s",)}


class NotLifted(Exception):
    """The store cannot be converted; the message gives the reason."""


def aggregation_of(old_task):
    """The id of an aggregation in version 5: -2 made version 1, -3 version 2, and so on."""
    return FIRST_AGGREGATION - old_task - 2


def version_of(database):
    return database.execute("PRAGMA user_version").fetchone()[0]


def rows_of(database, table, order="rowid"):
    """The rows of a table as dictionaries."""
    cursor = database.execute(f"SELECT * FROM {table} ORDER BY {order}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def insert(database, table, rows):
    for row in rows:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def lifted_journal(rows):
    lifted = []
    ordered = 0
    for row in rows:
        row = dict(row)
        if row["entry"] == "order" and row["kind"] == "aggregate":
            row.update(kind="assign", node=0, task=FIRST_AGGREGATION + ordered,
                       detail=f"aggregate consumes={row['detail']} publishes")
            ordered += 1
        elif row["task"] < -1:
            row["task"] = aggregation_of(row["task"])
        if row["entry"] == "event" and row["kind"] == "aggregated":
            # Events of one instant are ordered by kind, then by node: the server's end comes first.
            at = len(lifted)
            while at > 0 and is_task_done_at(lifted[at - 1], row["time_s"]):
                at -= 1
            lifted.insert(at, dict(row, kind="task_done", detail=""))
            row["kind"] = "published"
        lifted.append(row)
    for sequence, row in enumerate(lifted):
        row["sequence"] = sequence
    return lifted


def is_task_done_at(row, time_s):
    return row["entry"] == "event" and row["kind"] == "task_done" and row["time_s"] == time_s


def aggregation_tasks(database):
    """The rows for aggregations, and the aggregation that contains each task."""
    made = {row["version"]: row for row in rows_of(database, "aggregation")}
    end = database.execute("SELECT virtual_time_s FROM run").fetchone()[0]
    if end is None:
        end = database.execute("SELECT MAX(time_s) FROM journal").fetchone()[0]
    activities = {}
    for row in rows_of(database, "activity"):
        if row["task"] < -1:
            activities.setdefault(aggregation_of(row["task"]), []).append(row)
    failures = {
        aggregation_of(row["task"]): row for row in rows_of(database, "journal", "sequence")
        if row["entry"] == "event" and row["kind"] == "task_failed" and row["task"] < -1
    }
    orders = [row for row in rows_of(database, "journal", "sequence")
              if row["entry"] == "order" and row["kind"] == "aggregate"]
    tasks, consumed_by = [], {}
    for k, order in enumerate(orders):
        task = FIRST_AGGREGATION + k
        version = k + 1  # one at a time, and a run whose aggregation fails has failed
        whole = made.get(version)
        if whole is not None:
            ended, outcome = whole["end_s"], "published"
            consumed_by.update((int(consumed), task) for consumed in order["detail"].split())
        elif task in failures:
            failure = failures[task]
            ended, outcome = failure["time_s"], failure["detail"].split(" ")[0]
        else:
            ended, outcome = end, "run_ended"
        computes = [a for a in activities.get(task, []) if a["kind"] == "compute"]
        known = computes or whole is None
        tasks.append({
            "id": task, "node": 0, "label": "aggregate", "kind": "aggregation", "rate": 1.0,
            "samples": 0.0, "base_version": version - 1, "assigned_s": order["time_s"],
            "ended_s": ended, "outcome": outcome, "aggregated_version": None, "staleness": None,
            "consumed_by": None, "published_version": version if whole is not None else None,
            "busy_s": sum((a["end_s"] - a["start_s"] for a in computes
                           if a["start_s"] is not None), 0.0)
                      if known else whole["end_s"] - whole["start_s"],
            "communicating_s": 0.0, "bytes_down": 0.0, "bytes_up": 0.0,
            "flops": sum((a["flops"] for a in computes if a["cause"] == ""), 0.0),
            "energy_j": sum((a["energy_j"] for a in computes), 0.0) if known else None,
            "kept": None, "loss": None, "local_accuracy": None, "share": None,
        })
    return tasks, consumed_by


def lifted_tasks(database):
    aggregations, consumed_by = aggregation_tasks(database)
    updates = []
    for row in rows_of(database, "task"):
        consumer = consumed_by.get(row["id"]) if row["outcome"] == "aggregated" else None
        updates.append(dict(row, kind="update", consumed_by=consumer, published_version=None))
    return updates + aggregations


def lifted_rows(database, table):
    return [dict(row, **dict.fromkeys(WAITS.get(table, ()))) for row in rows_as_in_9(database, table)]


def rows_as_in_9(database, table):
    if table == "node":
        given = {"data": "assigned"} if version_of(database) < 8 else {}
        return [dict(row, alike=1, number=None, **given) for row in rows_of(database, table)]
    if table == "evaluation" and version_of(database) < 9:
        added = OBJECTIVE if version_of(database) > 5 else TAKEN + OBJECTIVE
        return [dict(row, **dict.fromkeys(added)) for row in rows_of(database, table)]
    if version_of(database) > 4:
        return rows_of(database, table)
    if table == "task":
        return lifted_tasks(database)
    if table == "journal":
        return lifted_journal(rows_of(database, table, "sequence"))
    rows = rows_of(database, table)
    if table == "aggregation":
        return [dict(row, task=FIRST_AGGREGATION + row["version"] - 1) for row in rows]
    if table == "activity":
        for row in rows:
            if row["task"] < -1:
                row["task"] = aggregation_of(row["task"])
    return rows


def open_old(path):
    """Opens a store of an older version; raises NotLifted for other files."""
    if not path.is_file():
        raise NotLifted(f"{path}: there is no store there")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        tables = {name for (name,) in
                  database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = version_of(database)
    except sqlite3.Error as problem:
        raise NotLifted(f"{path}: is no run store, or a damaged one ({problem})") from problem
    if not {"run", "journal", "task"} <= tables:
        raise NotLifted(f"{path}: is no run store of Convoy")
    if version not in FROM:
        raise NotLifted(f"{path}: is a store of version {version}; this lifts versions "
                        f"{', '.join(map(str, FROM))} to version {TO}")
    return database


def lift_file(source, target):
    """Writes the content of `source` as a store of version 10; leaves nothing if that fails."""
    if target.exists():
        raise NotLifted(f"{target}: is there already")
    with contextlib.closing(open_old(source)) as old:
        beside = target.with_name(target.name + ".lifting")
        beside.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(beside)) as new:
                statements = old.execute(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
                for table, sql in statements.fetchall():
                    target_table = "node_group" if table == "node" else table
                    new.execute(SCHEMA.get(target_table, sql))
                    insert(new, target_table, lifted_rows(old, table))
                new.execute(NODES)
                new.execute(f"PRAGMA user_version = {TO}")
                new.commit()
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def lift_folder(source, target):
    if target.exists():
        raise NotLifted(f"{target}: is there already")
    open_old(source / "run.sqlite").close()
    shutil.copytree(source, target,
                    ignore=shutil.ignore_patterns("run.sqlite*", "run.lock", "checkpoint"))
    try:
        lift_file(source / "run.sqlite", target / "run.sqlite")
    except BaseException:
        shutil.rmtree(target)
        raise


def main(arguments):
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    try:
        (lift_folder if source.is_dir() else lift_file)(source, target)
    except (NotLifted, OSError, sqlite3.Error) as problem:
        print(f"lift_store: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
