#!/usr/bin/env python3
"""One learning run with agents of another build (other machine, other Debian), and one with our own.

    mixed_agents.py CONVOY OWN_NODE --agent "PROGRAM [ARGUMENT...]" [--tasks N]

Two nodes of three are real and connect with TLS; their times are modelled, so that both runs do the
same tasks in the same order. Prints the distance of the two models, and their accuracies. Exit
status: 0 both runs ended and every update of an agent was accepted, 1 otherwise.
"""

import argparse
import array
import json
import math
import shlex
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST_S = 900

SCENARIO = """
name = "mixed-agents"
seed = 3
[fleet]
[[fleet.nodes]]
name = "a"
device = "jetson-agx-orin-32gb"
backend = "hil"
compute = "modelled"
network = "modelled"
[[fleet.nodes]]
name = "b"
device = "jetson-orin-nano-8gb"
backend = "hil"
compute = "modelled"
network = "modelled"
[[fleet.nodes]]
name = "c"
device = "jetson-xavier-nx-8gb"
[model]
architecture = "cnn-small"
[data]
samples = 300
test_samples = 200
[training]
learn = true
optimizer = {{ kind = "sgd", learning_rate = 0.05, momentum = 0.9 }}
batch = 16
[schedule]
kind = "fedavg"
[hil]
join_timeout_s = 300
lost_after_s = 60
[stop]
tasks = {tasks}
"""


def run_with(convoy, agent, folder, tasks):
    """A run with two such agents; gives its summary."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = folder / "lab"
    subprocess.run(
        [convoy, "testbed", "init", lab, "--nodes", "a,b", "--listen", f"127.0.0.1:{port}"],
        check=True, stdout=subprocess.DEVNULL)
    scenario = folder / "mixed.toml"
    scenario.write_text(SCENARIO.format(tasks=tasks))
    agents = []
    try:
        for name in "ab":
            log = (folder / f"{name}.log").open("w")
            agents.append(subprocess.Popen(
                [*shlex.split(agent), lab / "nodes" / name / "node.toml"],
                stdout=log, stderr=subprocess.STDOUT))
        begun = time.monotonic()
        done = subprocess.run(
            [convoy, "run", scenario, "--testbed", lab / "inventory.toml", "-o", folder / "run",
             "--json", "--quiet"],
            capture_output=True, text=True, timeout=LONGEST_S, check=False)
        took = time.monotonic() - begun
    finally:
        for process in agents:
            process.terminate()
        for process in agents:
            process.wait(30)
    if done.returncode != 0:
        for name in "ab":
            sys.stderr.write((folder / f"{name}.log").read_text())
        sys.exit(f"the run ended with status {done.returncode}:\n{done.stderr}")
    summary = json.loads(done.stdout)
    store = sqlite3.connect(f"file:{folder / 'run' / 'run.sqlite'}?mode=ro", uri=True)
    done_tasks = dict(store.execute(
        "select n.name, count(*) from task t join node n on n.id = t.node "
        "where t.aggregated_version is not null and n.name in ('a', 'b') group by n.name").fetchall())
    failed = store.execute(
        "select n.name, a.cause from activity a join node n on n.id = a.node "
        "where n.name in ('a', 'b') and a.cause not in ('', 'run_ended')").fetchall()
    if failed:
        sys.exit(f"not all that the agents did was accepted: {failed}")
    return summary, done_tasks, took


def tensors(file):
    """The float32 tensors of a safetensors file, by name."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    found = {}
    for name, about in header.items():
        if name == "__metadata__" or about["dtype"] != "F32":
            continue
        begin, end = about["data_offsets"]
        found[name] = array.array("f", data[8 + size + begin:8 + size + end])
    return found


def apart(one, other):
    """The largest difference of two models, and that of their weights as vectors, relatively."""
    largest = square = norm = 0.0
    for name, values in one.items():
        for a, b in zip(values, other[name], strict=True):
            largest = max(largest, abs(a - b))
            square += (a - b) ** 2
            norm += a * a
    return largest, math.sqrt(square / norm)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("convoy")
    parser.add_argument("own_node")
    parser.add_argument("--agent", required=True, help="the other build's convoy-node, as a command")
    parser.add_argument("--tasks", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        results = {}
        for name, agent in (("own", arguments.own_node), ("other", arguments.agent)):
            summary, tasks, took = run_with(arguments.convoy, agent, root / name, arguments.tasks)
            results[name] = tasks
            print(f"{name:<6} agents: {tasks.get('a', 0)} and {tasks.get('b', 0)} tasks of theirs are "
                  f"in the model, accuracy {100 * summary['accuracy']:.1f} %, {took:.1f} s")
        largest, relative = apart(tensors(root / "own/run/model.safetensors"),
                                  tensors(root / "other/run/model.safetensors"))
        print(f"the two models: largest difference {largest:.3g}, relatively {relative:.3g}")
        same = results["own"] == results["other"] and set(results["own"]) == {"a", "b"}
        if not same:
            print("the agents did not do the same tasks, or one did none")
        return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
