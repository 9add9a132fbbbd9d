#!/usr/bin/env python3
"""Measures how fast the gradient falls, against the rate O(1/sqrt(N* E Q)) that Co-S2P claims.

    scenarios/headline/rate.py                      all sweeps (some minutes on two cores), then the table
    scenarios/headline/rate.py --only convex        one part: convex, mlp, submodels or granularity
    scenarios/headline/rate.py --self-test          checks the arithmetic on made-up points

The claim (arXiv 2410.08457; the theorem of arXiv 2310.08670 is the one that it is analogous to): with the
step size eta = c sqrt(N* / (E Q)) the mean of |grad F|^2 over the versions 1 to Q falls like 1/sqrt(N* E Q).
N*: the smallest number of nodes that hold a parameter. E: a node's local steps in a round; steps and not
epochs, since an epoch has fewer steps the more nodes share the data. Q: one reading is the number of rounds.
Another is the granularity of pruning: here, how often masks are chosen anew over a fixed number of rounds.

Parts. Each varies one of N*, E and Q around a centre and keeps the others:
- convex: softmax regression with weight decay; N* is the number of nodes;
- mlp: the same with an MLP that every node holds as a whole;
- submodels: each node trains 3/4 of both hidden layers, drawn at random once. N* is read from a run of one
  round, for each number of nodes and seed, before the step size is set, and again from the run itself.
  (With halves a weight between the hidden layers is held by a quarter of the nodes, and N* is 0 up to
  more than 50 nodes.)
- granularity: masks are drawn anew every n rounds of a fixed number. (mask.selection = "learned" with
  draw = "sampled" and a learning rate of the logits near 0: a drawing at random, but the phase of the masks
  also trains the classifier for an epoch.) Twice: with the step size of the rounds, and with that of the
  granularity in the place of Q.

c is chosen beforehand, for convex and for mlp (submodels and granularity take that of mlp): of the powers of
2 from 1/256 to 1 the one whose mean |grad F|^2 at the centre is smallest, with a seed that is used for nothing
else; then half of it, because the largest step of a part is up to twice that at its centre.

The slope of log(mean |grad F|^2) against log x, by least squares over all m runs (x, y: logarithms):
    b = sum (x - mx)(y - my) / sum (x - mx)^2
    b +- t(0.975, m - 2) sqrt( sum (y - a - b x)^2 / (m - 2) / sum (x - mx)^2 )
with Student's t. The interval is about the scatter of runs around a straight line, not about its curvature:
the rate is one for large Q, and these runs are short.

A stopped sweep goes on where it was. The result of a sweep is in its folder (convoy compare, convoy report).
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

from figures import t_quantile

HERE = Path(__file__).resolve().parent
SEEDS = (201, 202, 203)
PILOT_SEED = 100
C_TRIED = [2.0**k for k in range(-8, 1)]
CLAIMED = -0.5
RATE = 0.75  # of a submodel

NODES, STEPS, ROUNDS = "fleet.nodes.0.count", "training.local_steps", "stop.rounds"
STEP_SIZE, SEED = "training.optimizer.learning_rate", "seed"
PRUNED = {"schedule.rates": RATE}
REDRAWN = {
    "schedule.rates": RATE,
    "schedule.mask.selection": "learned",
    "schedule.mask.draw": "sampled",
    "schedule.mask.epochs": 1,
    "schedule.mask.learning_rate": 1e-6,
    "schedule.mask.tasks": 1,
}
REFRESH = "schedule.mask.refresh"

# The centre of each part and what each of N, E and Q takes in turn.
PARTS = {
    "convex": {"base": "rate-convex", "N": (2, 4, 8, 16), "E": (1, 2, 4, 8), "Q": (16, 32, 64, 128),
               "centre": (4, 4, 64)},
    "mlp": {"base": "rate-mlp", "N": (2, 4, 8, 16), "E": (1, 2, 4, 8), "Q": (8, 16, 32, 64),
            "centre": (4, 4, 32)},
    "submodels": {"base": "rate-mlp", "N": (16, 24, 36, 54), "E": (1, 2, 4, 8), "Q": (8, 16, 32, 64),
                  "centre": (24, 4, 32)},
    "granularity": {"base": "rate-mlp", "refresh": (8, 4, 2, 1), "centre": (36, 4, 16)},
}


class Failed(Exception):
    """What went wrong, for the user."""


# --- arithmetic ------------------------------------------------------------------------------------


def slope(points):
    """The log-log slope of points (x, y) and half the width of its 95 % interval."""
    if len(points) < 3 or len({x for x, _ in points}) < 2:
        raise Failed("a slope needs three points and two places")
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - mx) ** 2 for x in xs)
    b = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / across
    rest = sum((y - my - b * (x - mx)) ** 2 for x, y in zip(xs, ys))
    freedom = len(points) - 2
    return b, t_quantile(0.975, freedom) * math.sqrt(rest / freedom / across)


def step_size(c, n_star, steps, q):
    return c * math.sqrt(n_star / (steps * q))


def mean_square(curve):
    """The mean of |grad F|^2 over the versions 1 to Q; None if one of them is not a number."""
    norms = {point["version"]: point["gradient_norm"] for point in curve if point["version"] > 0}
    if not norms or any(norm is None for norm in norms.values()):
        return None
    if sorted(norms) != list(range(1, max(norms) + 1)):
        raise Failed("a version between the first and the last was not evaluated")
    return sum(norm * norm for norm in norms.values()) / len(norms)


# --- sweeps ----------------------------------------------------------------------------------------


class Sweeps:
    """Runs sweeps by the convoy command and reads what they leave."""

    def __init__(self, convoy, folder, jobs):
        self.convoy, self.folder, self.jobs = convoy, folder, jobs
        folder.mkdir(parents=True, exist_ok=True)

    def command(self, name):
        file, out = self.folder / f"{name}.toml", self.folder / name
        return [str(self.convoy), "sweep", str(file), "-o", str(out), "-j", str(self.jobs),
                "--no-store", "--quiet"]

    def run(self, name, base, cases):
        """The summary of each case, in their order; None for a case that failed."""
        text = (HERE / f"{base}.toml").read_text()
        lines = ["  { " + ", ".join(f'"{key}" = {json.dumps(value)}' for key, value in case.items())
                 + " }," for case in cases]
        text += "[sweep]\ncases = [\n" + "\n".join(lines) + "\n]\n"
        (self.folder / f"{name}.toml").write_text(text)
        print(f"rate: {name}: {len(cases)} runs", file=sys.stderr, flush=True)
        command = self.command(name)
        try:
            status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        except OSError as problem:
            raise Failed(f"{command[0]}: {problem.strerror}; build it, or name it by --convoy") from problem
        if status not in (0, 1):  # 1: some of the runs failed
            raise Failed(f"{' '.join(command)}: exit status {status}; after a change of the settings give "
                         "another --folder")
        index = json.loads((self.folder / name / "sweep.json").read_text())
        if len(index["points"]) != len(cases):
            raise Failed(f"{self.folder / name}: has {len(index['points'])} points, not {len(cases)}")
        return [self.summary(name, point["hash"]) for point in index["points"]]

    def summary(self, name, point):
        file = self.folder / name / "points" / point / "summary.json"
        return json.loads(file.read_text()) if file.exists() else None


def case_of(nodes, steps, rounds, eta, seed, more=None):
    case = {NODES: nodes, STEPS: steps, ROUNDS: rounds, STEP_SIZE: float(f"{eta:.6g}"), SEED: seed}
    return {**case, **(more or {})}


def choose_c(sweeps, part):
    """See the docstring of this file."""
    base, (nodes, steps, rounds) = PARTS[part]["base"], PARTS[part]["centre"]
    cases = [case_of(nodes, steps, rounds, step_size(c, nodes, steps, rounds), PILOT_SEED)
             for c in C_TRIED]
    tried = {}
    for c, summary in zip(C_TRIED, sweeps.run(f"{part}-c", base, cases)):
        found = mean_square(summary["curve"]) if summary else None
        if found is not None and math.isfinite(found):
            tried[c] = found
    if not tried:
        raise Failed(f"{part}: no step size gave a gradient that is a number")
    best = min(tried, key=tried.get)
    if best in (C_TRIED[0], C_TRIED[-1]):
        print(f"rate: warning: {part}: the best c, {best:g}, is the end of those tried", file=sys.stderr)
    return best / 2


def probed_coverage(sweeps, numbers):
    """N* of random submodels, by number of nodes and seed: it follows from the masks alone."""
    keys = [(nodes, seed) for nodes in numbers for seed in SEEDS]
    cases = [case_of(nodes, 1, 1, 1e-6, seed, PRUNED) for nodes, seed in keys]
    summaries = sweeps.run("submodels-coverage", "rate-mlp", cases)
    if None in summaries:
        raise Failed("submodels-coverage: a run failed; its points have a log.txt")
    return {key: summary["coverage_min"] for key, summary in zip(keys, summaries)}


class Axis:
    """The runs that vary one quantity, and the line of the table that comes of them."""

    def __init__(self, part, what, fixed):
        self.part, self.what, self.fixed = part, what, fixed
        self.settings = []  # (x or None for N*, case)

    def add(self, x, case):
        self.settings.append((x, case))

    def row(self, sweeps, name, c):
        cases = [case for _, case in self.settings]
        summaries = sweeps.run(name, PARTS[self.part]["base"], cases)
        points, stars, lost = [], [], 0
        for (x, _), summary in zip(self.settings, summaries):
            y = mean_square(summary["curve"]) if summary else None
            star = summary["coverage_min"] if summary else None
            x = star if x is None else x
            if y is None or not math.isfinite(y) or y <= 0 or not x:
                lost += 1  # it diverged or failed, or nobody held some parameter
                continue
            points.append((x, y))
            stars.append(star)
        return {"part": self.part, "what": self.what, "fixed": self.fixed, "c": c, "points": points,
                "lost": lost, "stars": stars, "command": " ".join(sweeps.command(name))}


def rate_axes(part, c, coverage):
    """The axes N*, E and Q of a part. `coverage`: N* by nodes and seed; None: the number of nodes."""
    settings = PARTS[part]
    nodes, steps, rounds = settings["centre"]
    more = PRUNED if coverage else None
    axes = []
    for what in ("N", "E", "Q"):
        fixed = {"N": f"N = {nodes}", "E": f"E = {steps}", "Q": f"Q = {rounds}"}
        del fixed[what]
        axis = Axis(part, {"N": "N*", "E": "E", "Q": "Q: rounds"}[what], ", ".join(fixed.values()))
        for value in settings[what]:
            n, e, q = {"N": nodes, "E": steps, "Q": rounds, what: value}.values()
            for seed in SEEDS:
                star = coverage[n, seed] if coverage else n
                if star == 0:
                    print(f"rate: {part}: with {n} nodes and seed {seed} nobody holds some parameter "
                          "(N* = 0): left out", file=sys.stderr)
                    continue
                axis.add(None if what == "N" else value,
                         case_of(n, e, q, step_size(c, star, e, q), seed, more))
        axes.append((f"{part}-{what.lower()}", axis))
    return axes


def granularity_axes(c, coverage):
    """Fixed rounds; the masks are chosen anew `choices` times."""
    nodes, steps, rounds = PARTS["granularity"]["centre"]
    axes = []
    for name, what, by_choices in (
            ("granularity", "Q: choices of masks; step size of the rounds", False),
            ("granularity-step", "Q: choices of masks; step size of the choices", True)):
        axis = Axis("granularity", what, f"N = {nodes}, E = {steps}, {rounds} rounds")
        for refresh in PARTS["granularity"]["refresh"]:
            choices = rounds // refresh
            for seed in SEEDS:
                eta = step_size(c, max(1, coverage[nodes, seed]), steps, choices if by_choices else rounds)
                axis.add(choices, case_of(nodes, steps, rounds, eta, seed, {**REDRAWN, REFRESH: refresh}))
        axes.append((name, axis))
    return axes


# --- the table -------------------------------------------------------------------------------------


def line_of(row):
    points, stars = row["points"], row["stars"]
    runs = f"{len(points)}" + (f" ({row['lost']} lost)" if row["lost"] else "")
    star = f"{min(stars)} to {max(stars)}" if stars else "-"
    try:
        b, half = slope(points)
        found = f"{b:.2f} ({b - half:.2f} to {b + half:.2f})"
        holds = "yes" if abs(b - CLAIMED) <= half else "no"
    except Failed:
        found, holds = "-", "-"
    return (f"| {row['part']} | {row['what']} | {row['fixed']} | {row['c']:g} | {star} | {runs} | {found} | "
            f"{CLAIMED:g} | {holds} |")


def table_of(rows):
    lines = ["| part | against | fixed | c | N* of the runs | runs | slope (95 % interval) | claimed | inside |",
             "|---|---|---|---|---|---|---|---|---|"]
    lines += [line_of(row) for row in rows]
    lines += ["", "The runs of each row, in this order:", ""]
    lines += [f"    {row['command']}" for row in rows]
    return "\n".join(lines)


def measure(sweeps, parts, given_c):
    rows = []
    chosen = {}

    def c_of(part):
        model = "convex" if part == "convex" else "mlp"
        if model not in chosen:
            chosen[model] = given_c if given_c else choose_c(sweeps, model)
        return chosen[model]

    coverage = None
    if {"submodels", "granularity"} & set(parts):
        numbers = sorted({*PARTS["submodels"]["N"], PARTS["granularity"]["centre"][0]})
        coverage = probed_coverage(sweeps, numbers)
    for part in parts:
        c = c_of(part)
        axes = (granularity_axes(c, coverage) if part == "granularity"
                else rate_axes(part, c, coverage if part == "submodels" else None))
        rows += [axis.row(sweeps, name, c) for name, axis in axes if axis.settings]
    return rows


# --- self-test -------------------------------------------------------------------------------------


def self_test():
    def near(a, b, within):
        assert abs(a - b) <= within, (a, b)

    # Student's t of tables.
    for freedom, t in ((1, 12.7062), (2, 4.30265), (10, 2.22814), (30, 2.04227)):
        near(t_quantile(0.975, freedom), t, 1e-4)
    # A straight line has its slope and no width.
    b, half = slope([(x, 3 * x**-0.5) for x in (1, 2, 4, 8)])
    near(b, -0.5, 1e-12)
    near(half, 0, 1e-7)
    # By hand: logarithms x = 0, 1, 2 and y = 0, 1, 0: slope 0, rest 2/3, one degree of freedom.
    b, half = slope([(1, 1), (math.e, math.e), (math.e**2, 1)])
    near(b, 0, 1e-12)
    near(half, 12.7062 * math.sqrt(2 / 3 / 2), 1e-3)
    # Of 2,000 noisy lines of known slope about 95 % have it within the interval.
    state = 1
    inside = 0
    for _ in range(2000):
        points = []
        for x in (2, 4, 8, 16) * 3:
            noise = 0.0
            for _ in range(12):  # their sum is nearly normal
                state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
                noise += (state >> 11) / 2**53
            points.append((x, x**-0.5 * math.exp(0.2 * (noise - 6))))
        b, half = slope(points)
        inside += abs(b + 0.5) <= half
    assert 1850 < inside < 1950, inside
    # The theorem's step size.
    near(step_size(0.5, 9, 4, 16), 0.5 * 3 / 8, 1e-15)
    # The mean is over the versions 1 to Q, of squares.
    curve = [{"version": v, "gradient_norm": norm} for v, norm in ((0, 100.0), (1, 3.0), (2, 1.0))]
    near(mean_square(curve), 5, 1e-15)
    assert mean_square(curve[:2] + [{"version": 2, "gradient_norm": None}]) is None
    assert mean_square(curve[:1]) is None
    try:
        mean_square([curve[0], curve[2]])
        raise AssertionError("a version that is missing was not noticed")
    except Failed:
        pass
    # Each axis varies its own quantity, by the theorem's step size.
    for _, axis in rate_axes("convex", 0.5, None):
        assert len(axis.settings) == 4 * len(SEEDS)
        for _, case in axis.settings:
            near(case[STEP_SIZE] ** 2 * case[STEPS] * case[ROUNDS] / case[NODES], 0.25, 1e-5)
    coverage = {(n, seed): n // 4 for n in (16, 24, 36, 54) for seed in SEEDS}
    by_name = dict(rate_axes("submodels", 1, coverage))
    assert {case[NODES] for _, case in by_name["submodels-n"].settings} == {16, 24, 36, 54}
    assert all(x is None for x, _ in by_name["submodels-n"].settings)
    assert {x for x, _ in by_name["submodels-q"].settings} == {8, 16, 32, 64}
    for _, axis in granularity_axes(1, coverage):
        assert {x * case[REFRESH] for x, case in axis.settings} == {16}
    print("rate: the arithmetic is right")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0],
                                     epilog="The beginning of this file says what is measured and how.")
    parser.add_argument("--convoy", type=Path, default=HERE.parents[1] / "build" / "convoy")
    parser.add_argument("--folder", type=Path, default=Path("runs/rate"), help="of the sweeps (runs/rate)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (2)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--c", type=float, help="the factor of the step size; default: chosen, see above")
    parser.add_argument("--self-test", action="store_true", help="check the arithmetic and end")
    given = parser.parse_args()
    if given.self_test:
        self_test()
        return 0
    try:
        rows = measure(Sweeps(given.convoy, given.folder, given.jobs), given.only or list(PARTS), given.c)
    except (Failed, OSError, KeyError, ValueError) as problem:
        print(f"rate: {problem}", file=sys.stderr)
        return 1
    print(table_of(rows))
    return 1 if any(row["lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
