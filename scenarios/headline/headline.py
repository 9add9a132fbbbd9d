#!/usr/bin/env python3
"""The headline: every schedule on one task, each with the best of six settings.

./dev headline [--quick | --full] calls it. In its folder (runs/headline, ...) it leaves
  start/, pilot/   no time and a tenth of it with each schedule: what the estimate comes from
  search/  six settings of each schedule on two seeds, for half the time
  final/   the chosen and the published settings on fresh seeds
  *.toml   the scenario of each, for `convoy sweep`
  table.md, table.csv   what came out
Started again it goes on where it was. It needs Python 3.11 and nothing else. `convoy sweep FOLDER/final.toml -o FOLDER/final` makes
the runs of the table again.
"""

import argparse
import itertools
import math
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import time
import tomllib

from figures import Run, Sweep, scenario_text
from parts import ablations, memory, where
from tables import write_tables

HERE = pathlib.Path(__file__).resolve().parent
SEARCH_SEEDS = [901, 902]

MODES = {
    "quick": dict(task="quick.toml", seeds=[11, 12, 13], schedules=["fedavg", "fedbuff", "heterofl", "cos2p"]),
    "default": dict(task="default.toml", seeds=[11, 12, 13, 14, 15], schedules=None),
    "full": dict(task="full.toml", seeds=[11, 12, 13, 14, 15], schedules=None),
}


def fail(message):
    sys.exit(f"headline: {message}")


# --- Settings -----------------------------------------------------------------------------------


def settings_of(schedule, factors, task):
    """The six settings of a schedule among which the search chooses."""
    key = schedule.get("rate_key", "training.optimizer.learning_rate")
    rate = schedule.get("rate", task["training"]["optimizer"]["learning_rate"])
    (own, values), = schedule["own"].items()
    return [{"schedule.kind": schedule["kind"], key: rate * factor, own: value}
            for factor, value in itertools.product(factors, values)]


# --- Running ------------------------------------------------------------------------------------


class Runner:
    """Runs convoy, and knows where the data are."""

    def __init__(self, options):
        self.options = options
        self.command = shlex.join(["./dev", "headline", *sys.argv[1:]])
        self.changes = {}
        self.data = "drawn digits"

    def learn_mnist(self):
        """MNIST where its folder is given; else drawn digits."""
        folder = self.options.mnist
        if folder is None:
            print("headline: no MNIST (--mnist FOLDER), so drawn digits are learned instead")
            return
        if not pathlib.Path(folder).is_dir():
            fail(f"--mnist {folder}: no such folder")
        self.changes["data.source"] = "idx:" + str(pathlib.Path(folder).resolve())
        self.data = "MNIST"

    def learn_cifar(self):
        folder = self.options.cifar
        if folder is None or not pathlib.Path(folder).is_dir():
            fail("--full learns CIFAR-10: name the folder of its binary version, --cifar FOLDER")
        self.changes["data.source"] = "cifar10:" + str(pathlib.Path(folder).resolve())
        self.data = "CIFAR-10"

    def call(self, *arguments, to):
        """Runs convoy; what it prints goes into a file, its progress to the terminal."""
        command = [self.options.convoy, *map(str, arguments)]
        print("headline: " + " ".join(command), flush=True)
        to.parent.mkdir(parents=True, exist_ok=True)
        with open(to, "w") as out:
            result = subprocess.run(command, stdout=out)
        # 1: a point failed, which the table says; the rest stands.
        if result.returncode not in (0, 1):
            sys.exit(result.returncode)
        return result.returncode

    def jobs(self):
        return self.options.jobs or os.cpu_count()

    def sweep_file(self, file):
        """Runs a sweep of this folder; gives the folder of its runs."""
        folder = pathlib.Path(self.options.output or f"runs/{file.stem}")
        sets = [part for path, value in self.changes.items() for part in ("--set", f"{path}={value}")]
        self.call("sweep", file, "-o", folder, "-j", self.jobs(), "--workers", 1, *sets, to=folder.parent / f"{folder.name}.txt")
        return folder


class Headline(Runner):
    def __init__(self, options):
        super().__init__(options)
        self.mode = MODES[options.mode]
        self.task = tomllib.loads((HERE / self.mode["task"]).read_text())
        book = tomllib.loads((HERE / "schedules.toml").read_text())
        self.factors = book["rates"]
        names = options.schedules or self.mode["schedules"]
        known = [s["kind"] for s in book["schedule"]]
        for name in names or []:
            if name not in known:
                fail(f'no schedule "{name}"; there are {", ".join(known)}')
        self.schedules = [s for s in book["schedule"] if not names or s["kind"] in names]
        self.seeds = self.mode["seeds"]
        if options.mode == "full":
            # It draws its own weights: no warm start.
            self.schedules = [s for s in self.schedules if s["kind"] != "fedpm"]
        if options.share < 1:
            self.task["stop"]["virtual_time_s"] *= options.share
            self.seeds = self.seeds[:2]
        suffix = "" if options.mode == "default" else "-" + options.mode
        self.folder = pathlib.Path(options.output or f"runs/headline{suffix}")
        if options.mode == "default":
            self.learn_mnist()
        if options.mode == "full":
            self.learn_cifar()

    def sweep(self, name, cases, seeds, changes):
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{name}.toml"
        text = scenario_text(self.task, name, {**self.changes, **changes}, cases, seeds)
        other = file.exists() and tomllib.loads(file.read_text()) != tomllib.loads(text)
        if other and name in ("search", "final"):
            fail(f"{self.folder} holds {name} runs of other settings; name another folder (-o), or remove it")
        file.write_text(text)
        self.call("sweep", file, "-o", self.folder / name, "-j", self.jobs(), "--workers", 1,
                  *(["--overwrite"] if other else []), to=self.folder / f"{name}.txt")
        return Sweep(self.folder / name, cases)

    def warm_start(self):
        """Weights from which all schedules of --full begin, once they are whole."""
        weights = self.folder / "warm.safetensors"
        if not weights.exists():
            print("headline: first the weights that all begin with: some minutes", flush=True)
            folder = self.folder / "warm"
            status = self.call("run", HERE / "warm.toml", "-o", folder, "--overwrite", "--set",
                               "data.source=" + self.changes["data.source"], to=self.folder / "warm.txt")
            if status != 0:
                fail(f"{folder}: the warm start failed")
            os.replace(folder / "model.safetensors", weights)
        self.changes["model.weights"] = str(weights.resolve())

    def horizon(self):
        return self.task["stop"]["virtual_time_s"]

    def estimate(self):
        """A tenth of the time with each schedule, then what all of it will take."""
        cases = [settings_of(s, self.factors, self.task)[0] for s in self.schedules]
        length = self.horizon() / 10
        begun = self.sweep("start", cases[:1], SEARCH_SEEDS[:1], {"stop.virtual_time_s": length / 1000}).runs(cases[0])
        pilot = self.sweep("pilot", cases, SEARCH_SEEDS[:1], {"stop.virtual_time_s": length})
        start_s = begun[0].cpu_s if begun else 0
        per_second = {}
        for schedule, case in zip(self.schedules, cases):
            for run in pilot.runs(case):
                per_second[schedule["kind"]] = max(run.cpu_s - start_s, 0) / length
        lost = [s["kind"] for s in self.schedules if s["kind"] not in per_second]
        if lost:
            print(f"headline: left out, since it failed (convoy sweep {self.folder}/pilot.toml says why): "
                  + ", ".join(lost), flush=True)
            self.schedules = [s for s in self.schedules if s["kind"] in per_second]
        if not self.schedules:
            fail("no schedule is left")
        count = len(self.schedules)
        search_s = sum(per_second.values()) * self.horizon() / 2 * 6 * len(SEARCH_SEEDS)
        search_s += start_s * 6 * len(SEARCH_SEEDS) * count
        rows = count + sum("published" in s for s in self.schedules)
        final_s = (sum(per_second.values())
                   + sum(per_second[s["kind"]] for s in self.schedules if "published" in s)) * self.horizon()
        final_s = (final_s + start_s * rows) * len(self.seeds)
        search_s *= 1 - self.done("search", 6 * count * len(SEARCH_SEEDS))
        final_s *= 1 - self.done("final", rows * len(self.seeds))
        jobs = self.jobs()
        print(f"headline: {count} schedules on {self.data}; about {(search_s + final_s) / jobs / 60:.0f} minutes are left "
              f"({search_s / jobs / 60:.0f} of them of the search) with {jobs} runs at a time; stop it at will, the "
              "same command goes on", flush=True)

    def done(self, name, points):
        """The share of a sweep's points that are done."""
        return min(1, len(list((self.folder / name).glob("points/*/summary.json"))) / points)

    def choose(self, search):
        """The setting with the best mean accuracy over the last third of the time."""
        chosen = {}
        for schedule in self.schedules:
            def score(case):
                runs = search.runs(case)
                return statistics.mean(r.tail() for r in runs) if runs else -1
            ranked = sorted(settings_of(schedule, self.factors, self.task), key=score, reverse=True)
            chosen[schedule["kind"]] = ranked[0]
        return chosen

    def run(self):
        if self.options.mode == "full":
            self.warm_start()
        self.estimate()
        every = [case for s in self.schedules for case in settings_of(s, self.factors, self.task)]
        begin = time.time()
        search = self.sweep("search", every, SEARCH_SEEDS,
                            {"stop.virtual_time_s": self.horizon() / 2, "evaluation.local": False})
        chosen = self.choose(search)
        rows = [(s["kind"], chosen[s["kind"]], False) for s in self.schedules]
        rows += [(s["kind"] + ", published", {"schedule.kind": s["kind"], **s["published"]}, True)
                 for s in self.schedules if "published" in s]
        final = self.sweep("final", [case for _, case, _ in rows], self.seeds, {})
        print(f"headline: {(time.time() - begin) / 60:.0f} minutes")
        write_tables(self, rows, final, self.command)


def self_test():
    """Every kind of table, of made-up runs some of which failed, were never evaluated or never worked."""
    from figures import interval
    from tables import write_tables
    from types import SimpleNamespace
    import tempfile

    class Made:
        def __init__(self, seed, points, worked=True):
            self.seed, self.points, self.result = seed, points, {}
            self.utilization, self.memory, self.taking_part = (0.5, 2.0**20, 4) if worked else (0, None, 0)

        tail = local_tail = lambda self: self.points[-1]["accuracy"] if self.taking_part else None
        at, to = Run.at, Run.to

    def point(time, accuracy, updates=1):
        return dict(time=time, accuracy=accuracy, updates=updates, bytes=1e6 * time, energy=time, flops=1e9 * time)

    mean, half = interval([1, 2, 3])
    assert mean == 2 and abs(half - 4.3027 / math.sqrt(3)) < 1e-4
    climbing = [point(t, 0.1 * t) for t in range(1, 11)] + [point(10.5, 1.0)]
    assert abs(Made(1, climbing).to(0.75, "time") - 8) < 1e-9  # at 8, 9 and 10
    assert Made(1, climbing).to(0.95, "time") is None  # once is not three times
    assert abs(Made(1, climbing).at("time", 4.5) - 0.4) < 1e-9
    assert Made(1, climbing).at("time", 11) is None  # it ended before
    assert Made(1, climbing).at("time", 0.5) is None  # nothing was evaluated yet
    with tempfile.TemporaryDirectory() as folder:
        headline = SimpleNamespace(task={"evaluation": {"target": 0.5}}, seeds=[1, 2], data="made up",
                                   folder=pathlib.Path(folder))
        cases = [("cos2p", [Made(1, climbing), Made(2, climbing)]),
                 ("fedavg", [Made(1, climbing[:4]), Made(2, climbing[:4])]), ("fedbuff", [Made(2, climbing, False)]),
                 ("fedasync", []), ("teasq", [Made(1, [point(1, 0.1, 0)], False)])]
        for names in (["cos2p"], ["fedasync"], ["cos2p", "fedasync"], ["fedavg"], [name for name, _ in cases]):
            settings = [(name, {"schedule.kind": name}, False) for name, _ in cases if name in names]
            final = SimpleNamespace(runs=lambda case: dict(cases)[case["schedule.kind"]])
            write_tables(headline, settings, final, "self-test")
        text = (headline.folder / "table.md").read_text()
    assert "Not all runs are there: fedbuff (1 of 2), fedasync (0 of 2), teasq (1 of 2)" in text, text
    assert "| fedavg | as it is |" in text and "cos2p less each other" in text, text


def main():
    parser = argparse.ArgumentParser(prog="./dev headline", description=__doc__.split("\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="mode", action="store_const", const="quick",
                      help="four schedules, drawn digits, three seeds: 5 minutes on two cores")
    size.add_argument("--full", dest="mode", action="store_const", const="full",
                      help="vit-micro on CIFAR-10 from a warm start: meant for a night, not timed")
    size.add_argument("--ablations", dest="part", action="store_const", const=ablations,
                      help="what masks, transfer, trigger, rule and refresh each do (ablations.toml)")
    size.add_argument("--memory", dest="part", action="store_const", const=memory,
                      help="ViT-B/16 and 0.11 billion parameters: who can take part (memory.toml)")
    size.add_argument("--map", dest="part", action="store_const", const=where,
                      help="which schedule wins where (map.toml)")
    parser.add_argument("--mnist", metavar="FOLDER", help="MNIST's four files; without it drawn digits are learned")
    parser.add_argument("--cifar", metavar="FOLDER", help="CIFAR-10, binary version")
    parser.add_argument("--schedules", nargs="+", metavar="KIND", help="these alone")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="default: runs/headline, runs/headline-quick, ...")
    parser.add_argument("-j", "--jobs", type=int, help="runs at a time (default: one per core)")
    parser.add_argument("--convoy", default="build/convoy", help=argparse.SUPPRESS)
    parser.add_argument("--self-test", action="store_true", help=argparse.SUPPRESS)
    # A share of the time, and two seeds: for tests.
    parser.add_argument("--share", type=float, default=1, help=argparse.SUPPRESS)
    parser.set_defaults(mode="default", part=None)
    options = parser.parse_args()
    if options.mnist and not (options.part is ablations or (options.part is None and options.mode == "default")):
        parser.error("--mnist is for the default task and --ablations")
    if options.cifar and options.mode != "full":
        parser.error("--cifar is for --full")
    if options.schedules and options.part:
        parser.error("--schedules: a part has its own")
    if options.self_test:
        self_test()
        return
    if not pathlib.Path(options.convoy).exists():
        fail(f"{options.convoy} is not there; ./dev headline builds it")
    try:
        if options.part:
            runner = Runner(options)
            if options.part is ablations:
                runner.learn_mnist()
            options.part(runner)
        else:
            Headline(options).run()
    except KeyboardInterrupt:
        print("\nheadline: stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
