#!/usr/bin/env python3
"""Plants the faults of faults.txt one at a time, and tells which of them the tests notice.

    ./dev mutate                    every fault of the list (hours)
    ./dev mutate quorum-rounds-up   these only; * and ? stand for any letters
    ./dev mutate --list             their names
    ./dev mutate --check            only whether each still applies; builds nothing

The sources are copied to build/mutation and built there: those that you work on are never
touched. That build stays, so that the next one is short; Ctrl-C leaves the copy as it was and no
process behind. Needs nothing but Python, CMake and what Convoy itself is built with.

A fault is noticed when a test fails that passes without it, crashes, or does not come to its end.
Exit status: 0 at least 90 % were noticed, 1 fewer (or some could not be planted or built),
2 wrong usage or a list that is broken, 130 interrupted.
"""

import argparse
import ctypes
import fcntl
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).resolve().with_name("faults.txt")
TREE = ROOT / "build" / "mutation"  # the copy; --at gives another place
MARK = ".copy-for-mutate"  # in the copy: other files there may be removed
PASS = 0.9  # the share that must be noticed
NOTICED, MISSED, GONE, UNBUILT = "noticed", "NOT NOTICED", "does not apply", "does not build"


class ListError(Exception):
    pass


class Fault:
    def __init__(self, name, line):
        self.name = name
        self.line = line  # in the list
        self.file = None
        self.tests = None
        self.old = []  # present lines, with their neighbours
        self.new = []  # the same lines with the fault
        self.planted = 0

    def where(self):
        return f"{LIST.name}:{self.line}: {self.name}"

    def places(self, text):
        """Where in the lines of a file it applies."""
        lines = [line.strip() for line in text]
        n = len(self.old)
        return [i for i in range(len(lines) - n + 1) if lines[i : i + n] == self.old]

    def apply(self, text):
        """The lines with the fault in them. Indentation is that of the line that it replaces."""
        at = self.places(text)
        if len(at) != 1:
            raise ListError(self.misfit(len(at)))
        old = text[at[0] : at[0] + len(self.old)]
        indent = re.match(r"\s*", old[self.planted_at()]).group()
        new = []
        kept = iter(old)
        for sign, line in self.new:
            if sign == "+":
                new.append(indent + line)
            else:
                there = next(kept)
                if sign == " ":
                    new.append(there)
        return text[: at[0]] + new + text[at[0] + len(self.old) :]

    def planted_at(self):
        place = 0
        for sign, _ in self.new:
            if sign == " ":
                place += 1
            else:
                return min(place, len(self.old) - 1)
        return 0

    def misfit(self, times):
        lines = "\n".join("    " + line for line in self.old)
        if times == 0:
            return f"{self.where()}: {self.file} has no such line any more:\n{lines}"
        return f"{self.where()}: {self.file} has this {times} times, so nobody knows which:\n{lines}"


def read_list(path=LIST):
    """See the beginning of faults.txt for the format."""
    faults = []
    names = set()
    fault = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):

        def wrong(what):
            raise ListError(f"{path.name}:{number}: {what}")

        if not raw.strip() or raw.startswith("#"):
            continue
        if raw.startswith("[") and raw.rstrip().endswith("]"):
            name = raw.strip()[1:-1]
            if not re.fullmatch(r"[a-z0-9-]+", name):
                wrong(f"\"{name}\": a name is made of small letters, digits and hyphens")
            if name in names:
                wrong(f"a second fault called {name}")
            names.add(name)
            fault = Fault(name, number)
            faults.append(fault)
        elif fault is None:
            wrong("expected [name-of-a-fault]")
        elif raw.startswith("file:"):
            fault.file = raw[len("file:") :].strip()
        elif raw.startswith("tests:"):
            fault.tests = raw[len("tests:") :].strip()
        elif raw[0] in " -+":
            sign, line = raw[0], raw[1:].strip()
            if sign != "+":
                fault.old.append(line)
            fault.new.append((sign, line))
        else:
            wrong("expected file:, tests:, or a line that begins with a space, - or +")
    for f in faults:
        signs = [sign for sign, _ in f.new]
        if not f.file or not f.tests or not f.old or not set(signs) & {"-", "+"}:
            raise ListError(f"{f.where()}: needs file:, tests:, and lines with - or +")
        try:
            re.compile(f.tests)
        except re.error as e:
            raise ListError(f"{f.where()}: tests: {e}") from e
    if not faults:
        raise ListError(f"{path.name}: is empty")
    return faults


def test_programs():
    """Each test, by the program that has it, as the sources name them: {name: program}."""
    tests = {}
    pattern = re.compile(r"^TEST(?:_F)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
    # CTest's names of tests with parameters: Prefix/Suite.Name/parameter.
    of_all = re.compile(r"^TEST_P\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
    each_solver = re.compile(r"^CONVOY_(?:INSTANTIATE_)?EACH_SOLVER\((\w+)\)", re.M)  # tests/support/each_solver.hpp
    prefix = re.compile(r"^INSTANTIATE_TEST_SUITE_P\(\s*(\w+)\s*,\s*(\w+)\s*,", re.MULTILINE)
    for file in sorted((ROOT / "tests").rglob("*.cpp")):
        part = file.relative_to(ROOT / "tests").as_posix()
        if part.startswith("fuzz/"):
            continue
        learning = part.startswith("engine/learning/")
        program = "convoy_learning_tests" if learning else "convoy_tests"
        text = file.read_text(encoding="utf-8")
        for suite, name in pattern.findall(text):
            tests[f"{suite}.{name}"] = program
        prefixes = [(suite, before) for before, suite in prefix.findall(text)]
        solved_twice = each_solver.findall(text)
        for suite, name in of_all.findall(text):
            if suite in solved_twice:
                tests[f"{suite}.{name}/auto"] = program
            for of, before in prefixes:
                if of == suite:
                    tests[f"{before}/{suite}.{name}/0"] = program
    return tests


def alternatives(expression):
    """What `tests:` names, one by one: of ^(A|B\\.x) it is ^A and ^B\\.x."""
    group = re.search(r"\((?!\^\|/\))([^()]*)\)", expression)
    if not group:
        return [expression]
    before, after = expression[: group.start()], expression[group.end() :]
    return [a for part in group[1].split("|") for a in alternatives(before + part + after)]


def check(faults):
    """What is wrong with the list, as the sources are."""
    problems = []
    tests = test_programs()
    for f in faults:
        path = ROOT / f.file
        if not path.is_file():
            problems.append(f"{f.where()}: there is no {f.file} any more")
            continue
        text = path.read_text(encoding="utf-8").splitlines()
        times = len(f.places(text))
        if times != 1:
            problems.append(f.misfit(times))
        elif f.apply(text) == text:
            problems.append(f"{f.where()}: changes nothing")
        # ctest's regular expressions are simpler; the list uses only what both have.
        for one in alternatives(f.tests):
            if not any(re.search(one, name) for name in tests):
                problems.append(f"{f.where()}: tests: {one} is the name of no test")
    return problems


# --- processes ------------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def interrupt(number, frame):
    raise Interrupted()


def adopt_orphans():
    """What a killed test leaves behind becomes our child, so that it can be ended, too."""
    PR_SET_CHILD_SUBREAPER = 36
    try:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass  # not on Linux


def children():
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in listed.split()]


def end_orphans():
    for _ in range(50):
        left = children()
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def call(command, longest=None):
    """Exit status (None: it took too long) and what it said."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    ) as process:
        try:
            output, _ = process.communicate(timeout=longest)
            status = process.returncode
        except BaseException as e:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if not isinstance(e, subprocess.TimeoutExpired):
                raise
            output, status = "", None
        finally:
            end_orphans()
    return status, output


# --- the copy -------------------------------------------------------------------------------------


def sources():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def put(path, content, mode=None):
    """Writes what differs only: what stays as it is need not be built again."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mode is not None:
        path.chmod(mode)


# Without optimization the tests are built in half the time.
TESTS_UNOPTIMIZED = b"""
foreach(program IN ITEMS convoy_tests convoy_learning_tests)
  target_compile_options(${program} PRIVATE -O0)
endforeach()
"""


def copy_tree(tree):
    """The copy becomes what the sources are, whatever an earlier call has left there."""
    if tree == ROOT or tree in ROOT.parents:
        raise ListError(f"--at {tree}: there are the sources themselves")
    if tree.exists() and any(tree.iterdir()) and not (tree / MARK).exists():
        raise ListError(f"--at {tree}: is neither empty nor a copy of ours")
    tree.mkdir(parents=True, exist_ok=True)
    (tree / MARK).touch()
    names = set(sources())
    for name in sorted(names):
        path = ROOT / name
        more = TESTS_UNOPTIMIZED if name == "tests/CMakeLists.txt" else b""
        put(tree / name, path.read_bytes() + more, path.stat().st_mode & 0o777)
    for folder, folders, files in os.walk(tree):
        inside = Path(folder).relative_to(tree)
        if inside == Path("."):
            folders[:] = [f for f in folders if f != "build"]
        for file in files:
            if (inside / file).as_posix() not in names | {MARK}:
                (Path(folder) / file).unlink()
    # Data that some tests expect in a folder next to the project.
    link = tree.parent / "shared"
    data = ROOT.parent / "shared"
    if data.exists() and not link.exists():
        link.symlink_to(data.resolve())


def configure(tree):
    status, output = call(
        ["cmake", "--preset", "release", "-S", str(tree), "-B", str(tree / "build")]
        + ["-DCONVOY_WEB=OFF", "-DCONVOY_BENCH=OFF"]
    )
    if status != 0:
        sys.exit(output + "\nmutate: the copy cannot be configured")


def build(tree, targets, jobs):
    # Learning tests open the engine at run time.
    wanted = sorted(set(targets) | {"convoy_learning"})
    return call(
        ["cmake", "--build", str(tree / "build"), "--parallel", str(jobs), "--target", *wanted]
        + ["--", "-k", "1"]
    )


def failed_tests(output):
    """Names of the tests that ctest lists as failed, and how."""
    # "917 - Hostile/APeerThat.IsCutOff/ByTwo  # GetParam() = ByTwo (Failed)"
    return re.findall(r"^\s*\d+ - (\S+)(?: +# GetParam\(\).*)? \((\w[^()]*)\)$", output, re.MULTILINE)


def joined(patterns):
    """Each of them in one of a few, with no more brackets than ctest's expressions may have."""
    most = 8  # of 9
    groups = []
    for pattern in patterns:
        if not groups or sum(p.count("(") for p in groups[-1]) + pattern.count("(") > most:
            groups.append([])
        groups[-1].append(pattern)
    return ["|".join(group) for group in groups]


def run_tests(tree, pattern, without, longest_s, jobs, stop):
    command = ["ctest", "--test-dir", str(tree / "build"), "-R", pattern]
    command += ["--timeout", str(longest_s), "--parallel", str(jobs), "--no-tests=error"]
    if stop:
        command.append("--stop-on-failure")
    if without:
        command += ["-E", "^(" + "|".join(re.escape(name) for name in sorted(without)) + ")$"]
    return call(command)


# --- the work -------------------------------------------------------------------------------------


class Work:
    def __init__(self, options):
        self.options = options
        self.tree = options.at.resolve()
        self.tests = test_programs()
        self.broken = set()  # tests that fail without any fault
        self.results = []

    def programs(self, fault):
        return {p for name, p in self.tests.items() if re.search(fault.tests, name)}

    def say(self, text):
        print(text, flush=True)

    def prepare(self, faults):
        self.say(f"copying to {self.tree}")
        copy_tree(self.tree)
        configure(self.tree)
        programs = set().union(*(self.programs(f) for f in faults))
        began = time.monotonic()
        self.say(f"building {', '.join(sorted(programs))} without a fault")
        status, output = build(self.tree, programs, self.options.jobs)
        if status != 0:
            sys.exit(output[-4000:] + "\nmutate: does not build, even without a fault")
        self.say(f"built in {time.monotonic() - began:.0f} s; the tests without a fault")
        began = time.monotonic()
        for pattern in joined(sorted({f.tests for f in faults})):
            _, output = run_tests(
                self.tree, pattern, self.broken, self.options.timeout, self.options.jobs, False
            )
            self.broken |= {name for name, _ in failed_tests(output)}
            if not re.search(r"^\d+% tests passed", output, re.MULTILINE):
                sys.exit(output[-4000:] + "\nmutate: the tests could not be run")
        self.say(f"passed in {time.monotonic() - began:.0f} s")
        for name in sorted(self.broken):
            self.say(f"warning: {name} fails without a fault; it is left out")

    def plant(self, fault):
        path = self.tree / fault.file
        before = path.read_bytes()
        try:
            lines = fault.apply(before.decode().splitlines())
            path.write_bytes(("\n".join(lines) + "\n").encode())
            return self.judge(fault)
        finally:
            path.write_bytes(before)

    def judge(self, fault):
        began = time.monotonic()
        status, output = build(self.tree, self.programs(fault), self.options.jobs)
        built = time.monotonic()
        if status != 0:
            errors = [line for line in output.splitlines() if "error" in line or "FAILED" in line]
            return UNBUILT, "\n".join(errors[:6])
        status, output = run_tests(
            self.tree, fault.tests, self.broken, self.options.timeout, self.options.jobs, True
        )
        took = f"{built - began:.0f} s to build, {time.monotonic() - built:.0f} s of tests"
        failed = failed_tests(output)
        if failed:
            return NOTICED, f"{took}: {', '.join(f'{name} ({how})' for name, how in failed)}"
        if status != 0:
            return UNBUILT, "its tests could not be run:\n" + output[-1000:]
        return MISSED, f"{took}: {fault.tests}"

    def all(self, faults):
        self.prepare(faults)
        # Faults of one file follow each other, since they share most of the build.
        faults = sorted(faults, key=lambda f: (f.file, f.line))
        with open(f"{self.tree}.results", "a", encoding="utf-8") as log:
            for i, fault in enumerate(faults, 1):
                try:
                    verdict, more = self.plant(fault)
                except (ListError, OSError) as e:
                    verdict, more = GONE, str(e)
                self.results.append((verdict, fault.name))
                line = f"[{i}/{len(faults)}] {fault.name}: {verdict} ({more})"
                self.say(line)
                log.write(line + "\n")
                log.flush()

    def sum_up(self):
        names = {v: [n for w, n in self.results if w == v] for v in (MISSED, GONE, UNBUILT)}
        count = sum(1 for verdict, _ in self.results if verdict == NOTICED)
        all_of_them = len(self.results)
        self.say("")
        self.say(f"{count} of {all_of_them} faults were noticed")
        for verdict, those in names.items():
            if those:
                self.say(f"{verdict}: {' '.join(sorted(those))}")
        return 0 if count >= PASS * all_of_them else 1


def choose(faults, wanted):
    if not wanted:
        return faults
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(f.name, pattern) for f in faults):
            raise ListError(f"there is no fault called {pattern} (./dev mutate --list)")
    return [f for f in faults if any(fnmatch.fnmatchcase(f.name, p) for p in wanted)]


def main():
    parser = argparse.ArgumentParser(
        prog="./dev mutate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; * and ? are allowed")
    parser.add_argument("--list", action="store_true", help="only list the faults")
    parser.add_argument("--check", action="store_true", help="only whether each still applies")
    parser.add_argument("--at", type=Path, default=TREE, help="where the copy lies (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="of build and tests")
    parser.add_argument("--timeout", type=int, default=300, help="s that a test may take")
    options = parser.parse_args()
    try:
        faults = choose(read_list(), options.names)
        if options.list:
            for f in faults:
                print(f"{f.name:44} {f.file}")
            return 0
        problems = check(faults)
        for problem in problems:
            print(problem, file=sys.stderr)
        if options.check:
            print(f"{len(faults)} faults, {len(problems)} problems")
            return 2 if problems else 0
    except ListError as e:
        print(f"mutate: {e}", file=sys.stderr)
        return 2
    if not shutil.which("git"):
        print("mutate: needs git, to know what belongs to the sources", file=sys.stderr)
        return 2
    options.at.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{options.at.resolve()}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"mutate: another one is at work in {options.at}", file=sys.stderr)
            return 2
        adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupt)
        work = Work(options)
        try:
            work.all(faults)
        except Interrupted:
            work.sum_up()
            print("mutate: interrupted", file=sys.stderr)
            return 130
        except ListError as e:
            print(f"mutate: {e}", file=sys.stderr)
            return 2
        return work.sum_up()


if __name__ == "__main__":
    sys.exit(main())
