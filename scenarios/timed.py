"""What the studies of edgesplit/ and asteroid/ share: calling convoy, and tables."""

import argparse
import csv
import json
import math
import pathlib
import shlex
import subprocess
import sys


def fail(study, message):
    sys.exit(f"{study}: {message}")


def sets(changes):
    return [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]


class Convoy:
    """Runs convoy, for a study of this name; runs are left in FOLDER/points."""

    def __init__(self, study, program, folder):
        self.study = study
        self.program = program
        self.folder = pathlib.Path(folder)
        self.refused = {}  # by name of the run: what convoy said

    def run(self, file, changes, name):
        """The summary of a run, with its command and folder; None where the scenario is refused, or fails."""
        folder = self.folder / "points" / name
        command = [self.program, "run", str(file), "--json", "--quiet", "--overwrite", "-o", str(folder), *sets(changes)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode in (130, 3):
            raise KeyboardInterrupt
        if result.returncode == 0:
            return json.loads(result.stdout) | {"command": shlex.join(command), "folder": str(folder)}
        if result.returncode in (1, 2):
            self.refused[name] = result.stderr.strip()
            return None
        fail(self.study, f"{shlex.join(command)}\n{result.stderr}")

    def plan(self, file, changes, *more):
        """What `convoy plan` tells; it must not be refused."""
        command = [self.program, "plan", str(file), "--json", *more, *sets(changes)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            fail(self.study, result.stderr)
        return json.loads(result.stdout)


def number(value, digits=3):
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def times(value, ours):
    """How often ours goes into it."""
    return "-" if value is None or ours is None else f"{value / ours:.2f}x"


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def write(study, folder, rows, lines):
    """table.md and table.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    (folder / "table.md").write_text(text)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)
    print(text + f"\n{study}: {folder}/table.md, {folder}/table.csv")


def add_arguments(parser, study):
    """What every study takes, beside its own."""
    parser.add_argument("-o", "--output", metavar="FOLDER", help=f"default: a folder of runs/ that begins with {study}")
    parser.add_argument("-j", "--jobs", type=int, help="at a time (default: one per core)")
    parser.add_argument("--convoy", default="build/convoy", help=argparse.SUPPRESS)
    parser.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)


def begin(study, options, self_test, work):
    """The self-test, or the work, which Ctrl-C stops."""
    if options.self_test:
        self_test()
        return
    if not pathlib.Path(options.convoy).exists():
        fail(study, f"{options.convoy} is not there; ./dev {study} builds it")
    try:
        work(options)
    except KeyboardInterrupt:
        print(f"\n{study}: stopped", file=sys.stderr)
        sys.exit(130)


def test_tables():
    assert number(None) == "-" and number(0.012345) == "0.0123" and number(1234.5) == "1234" and number(0) == "0"
    assert number(9.999) == "10.00" or number(9.999) == "10.0", number(9.999)
    assert times(None, 1) == "-" and times(3.0, 2.0) == "1.50x"
    assert sets({"a.b": 1, "c": "x"}) == ["--set", "a.b=1", "--set", "c=x"]
