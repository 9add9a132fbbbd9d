"""What the runs of a sweep say, from its folder: their curves, costs and settings; means and intervals."""

import csv
import json
import math
import pathlib
import sqlite3
import statistics
import tomllib

HELD = 3  # evaluations in a row at or above the target

# --- TOML ---------------------------------------------------------------------------------------


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "{ " + ", ".join(f"{key_text(k)} = {toml(v)}" for k, v in value.items()) + " }"


def key_text(key):
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def value_of(text):
    """A value as results.csv has it: TOML, but texts without quotation marks."""
    try:
        return tomllib.loads("v = " + text)["v"]
    except tomllib.TOMLDecodeError:
        return text


def scenario_text(task, name, changes, cases, seeds):
    """The task with changes, then a sweep over cases and seeds."""
    tree = json.loads(json.dumps(task))
    for path, value in changes.items():
        table = tree
        *folders, last = path.split(".")
        for folder in folders:
            table = table.setdefault(folder, {})
        table[last] = value
    tree["name"] = name
    lines = [f"# Written by scenarios/headline/headline.py. convoy sweep {name}.toml"]
    lines += [f"{key} = {toml(value)}" for key, value in tree.items() if not isinstance(value, dict)]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]"] + [f"{key_text(k)} = {toml(v)}" for k, v in value.items()]
    lines += ["", "[sweep]", "cases = ["] + [f"  {toml(case)}," for case in cases] + ["]"]
    lines += [f"seed = {toml(seeds)}", ""]
    return "\n".join(lines)


# --- Runs ---------------------------------------------------------------------------------------


class Run:
    """One run's curve from its store (sim/store/TABLES.md)."""

    def __init__(self, file, seed, result):
        self.seed = seed
        self.result = result
        store = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        one = lambda text: store.execute(text).fetchall()
        self.cpu_s = float(one("select value from host where key = 'cpu_time_s'")[0][0])
        workers = one("select busy_s, peak_memory_bytes, tasks from node where id > 0")
        self.workers = len(workers)
        self.duration = one("select virtual_time_s from run")[0][0]
        self.utilization = sum(busy for busy, _, _ in workers) / (len(workers) * self.duration)
        self.peaks = [peak for _, peak, _ in workers if peak > 0]  # of those that took part
        self.memory = statistics.mean(self.peaks) if self.peaks else None
        self.taking_part = sum(tasks > 0 for _, _, tasks in workers)
        self.local = one("select node, assigned_s, local_accuracy from task where local_accuracy is not null")
        made = one("select end_s, updates from aggregation order by end_s")
        done = one("select ended_s, flops from task where kind = 'update' order by ended_s")
        self.points = []
        updates = flops = 0
        made_at = done_at = 0
        for at, accuracy, size, energy in one(
                "select time_s, top1, bytes, energy_j from evaluation where judged = 1 order by time_s"):
            while made_at < len(made) and made[made_at][0] <= at:
                updates += made[made_at][1]
                made_at += 1
            while done_at < len(done) and done[done_at][0] <= at:
                flops += done[done_at][1]
                done_at += 1
            self.points.append(dict(time=at, accuracy=accuracy, bytes=size, energy=energy, updates=updates, flops=flops))
        if self.points:
            # An evaluation holds until the next one: the last to the end of the run.
            size, = one("select bytes_in + bytes_out from node where id = 0")[0]
            energy, = one("select sum(energy_j) from node where id > 0")[0]
            self.points.append(dict(
                time=self.duration, accuracy=self.points[-1]["accuracy"], bytes=size, energy=energy,
                updates=sum(number for _, number in made), flops=sum(number for _, number in done)))
        store.close()

    def tail(self):
        late = [p["accuracy"] for p in self.points if p["time"] >= self.duration * 2 / 3]
        return statistics.mean(late) if late else None

    def local_tail(self):
        """The mean over the nodes of each one's own mean over the last third of the time."""
        by_node = {}
        for node, at, accuracy in self.local:
            if at >= self.duration * 2 / 3:
                by_node.setdefault(node, []).append(accuracy)
        return statistics.mean(statistics.mean(each) for each in by_node.values()) if by_node else None

    def at(self, axis, limit):
        """The accuracy of the last evaluation up to this point of an axis; None: there is none, or the run ends before."""
        if not self.points or self.points[-1][axis] * (1 + 1e-9) < limit:
            return None
        before = [p["accuracy"] for p in self.points if p[axis] <= limit * (1 + 1e-9)]
        return before[-1] if before else None

    def to(self, target, axis):
        """The axis at the first of HELD evaluations in a row that reach the target; None: never."""
        points = self.points[:-1]  # the last repeats the one before
        for i in range(len(points) - HELD + 1):
            if all(p["accuracy"] >= target for p in points[i:i + HELD]):
                return points[i][axis]
        return None


class Sweep:
    """The finished runs of a sweep by case: {key: value}, as its [sweep] has them."""

    def __init__(self, folder, cases):
        self.by_case = [[] for _ in cases]
        self.cases = cases
        with open(folder / "results.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        keys = list(dict.fromkeys(key for case in cases for key in case))
        for row in rows:
            given = {key: value_of(row[key]) for key in keys if row.get(key)}
            (place,) = [i for i, case in enumerate(cases) if case == given]
            store = folder / "points" / row["hash"] / "run.sqlite"
            self.by_case[place].append(Run(store, int(row["result.seed"]), row))

    def runs(self, case):
        return sorted(self.by_case[self.cases.index(case)], key=lambda run: run.seed)


def incomplete_beta(a, b, x):
    """The regularized incomplete beta function I_x(a, b), by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                     + a * math.log(x) + b * math.log(1 - x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 1000):
        for numerator in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                          -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value


def t_below(t, freedom):
    """The share of Student's t below t."""
    tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return 1 - tail if t > 0 else tail


def t_quantile(share, freedom):
    """Student's t with this share below it, for shares from 0.5 on."""
    low, high = 0.0, 1.0
    while t_below(high, freedom) < share:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def interval(values):
    """Mean and half its 95 % interval by Student's t; None where there is one value."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, None
    return mean, t_quantile(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def cell(values, factor=1.0, digits=1, of=None):
    """Mean and half its interval; of fewer values than `of` their number."""
    given = [v for v in values if v is not None]
    of = len(values) if of is None else of
    if not given:
        return f"none (0 of {of})" if of else "-"
    mean, half = interval(given)
    text = f"{mean * factor:.{digits}f}"
    if half is not None:
        text += f" ± {half * factor:.{digits}f}"
    if len(given) < of:
        text += f" ({len(given)} of {of})"
    return text


def short(case):
    """A setting as a reader wants it: without the kind, keys by their last part."""
    return ", ".join(f"{key.split('.')[-1]} {toml(value)}" for key, value in case.items()
                     if key != "schedule.kind") or "as it is"


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def paired(ours, theirs, figure):
    """ours less theirs by seed, as (mean, half); None where a seed has no figure."""
    other = {run.seed: figure(run) for run in theirs}
    pairs = [figure(run) - other[run.seed] for run in ours
             if other.get(run.seed) is not None and figure(run) is not None]
    return interval(pairs) if pairs else None


def signed(pair, factor=100, digits=1):
    if pair is None:
        return "-"
    mean, half = pair
    text = f"{mean * factor:+.{digits}f}"
    return text if half is None else text + f" ± {half * factor:.{digits}f}"


def change(pair):
    if pair is None:
        return "-"
    mean, half = pair
    low, high = mean - (half or 0), mean + (half or 0)
    return f"{math.expm1(mean):+.0%} [{math.expm1(low):+.0%}, {math.expm1(high):+.0%}]"


def times(pair):
    if pair is None:
        return "-"
    mean, half = pair
    low, high = mean - (half or 0), mean + (half or 0)
    return f"{math.exp(mean):.2f}x [{math.exp(low):.2f}, {math.exp(high):.2f}]"
