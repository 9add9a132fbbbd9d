#!/usr/bin/python3
"""Reads the store of a run with pandas, prints where the time went, and plots it.

    apt install python3-pandas python3-matplotlib
    python3 analysis/examples/plot_run.py runs/cos2p -o cos2p.png

The tables are documented in sim/store/TABLES.md: times are virtual seconds, sizes bytes, energies
joules, shares 0 to 1. The store is opened read-only, so the run may still go on.
"""

import argparse
import pathlib
import sqlite3
import sys

import matplotlib

matplotlib.use("Agg")  # no screen is needed
import matplotlib.pyplot as plt
import pandas as pd


def read_store(folder):
    """The tables of a run that the figure needs, as data frames."""
    file = pathlib.Path(folder) / "run.sqlite"
    if not file.exists():
        sys.exit(f"{folder}: there is no run here (no run.sqlite)")
    with sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True) as store:
        names = ["run", "node", "task", "activity", "evaluation"]
        return {name: pd.read_sql(f"SELECT * FROM {name}", store) for name in names}


def time_by_label(tables):
    """Seconds that each worker spent on each kind of activity; a transfer is the worker's."""
    activity = tables["activity"].dropna(subset=["start_s"]).copy()
    server = activity["node"] == 0
    activity["worker"] = activity["node"].where(~server, activity["peer"])
    activity = activity[activity["worker"] > 0]  # not the server's own aggregations
    activity["took_s"] = activity["end_s"] - activity["start_s"]
    names = tables["node"].set_index("id")["name"]
    by_label = activity.pivot_table(
        index="worker", columns="label", values="took_s", aggfunc="sum", fill_value=0
    )
    return by_label.rename(index=names)


def plot(tables, title):
    judged = tables["evaluation"].query("judged == 1")
    by_label = time_by_label(tables)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    if judged.empty:
        left.text(0.5, 0.5, "the run did not learn", ha="center", transform=left.transAxes)
    else:
        left.step(judged["time_s"], 100 * judged["top1"], where="post")
    left.set(xlabel="virtual time (s)", ylabel="accuracy (%)", title=title)
    by_label.plot.barh(stacked=True, ax=right)
    right.invert_yaxis()
    right.set(xlabel="time (s)", ylabel="", title="what each node did")
    right.legend(title="", loc="upper center", bbox_to_anchor=(0.4, -0.15), ncol=4, frameon=False)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("-o", "--output", default="run.png", help="picture to write (png, svg, pdf)")
    arguments = parser.parse_args()
    tables = read_store(arguments.run)
    if tables["activity"].empty:
        sys.exit(f'{arguments.run}: holds no activities; run it with output.record = "activity"')
    run = tables["run"].iloc[0]
    print(time_by_label(tables).round(3).to_string())
    plot(tables, f"{run['name']} with {run['schedule']}").savefig(arguments.output, dpi=150)
    print(arguments.output)


if __name__ == "__main__":
    main()
