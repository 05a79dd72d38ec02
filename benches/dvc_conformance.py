#!/usr/bin/env python3
"""Plays the conformance cases with clinpipe and with DVC itself and compares what both did.

    benches/dvc_conformance.py CLINPIPE DVC [--jobs N] [CASE…]

The cases are those of tests/fixtures/conformance/ (their format is told in tests/it/conformance/case.rs), each played
in two fresh directories. Compared are, step by step, whether the exit code is 0 and which commands ran, and at the end
every file of the workspace by its bytes. A case that says why the two part on purpose (`differs`) is played too and
must really differ, unless it says that runs and files are equal (`same_result`). Prints a Markdown table; exits 1 at a
difference that no case explains. Standard library only, Python 3.11 or later.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

CASES = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/conformance"
SECTIONS = ["repro", "graph", "params", "templating", "run_cache"]
# What the tools keep for themselves.
OWN = {".clinpipe", "lockfiles", ".dvc", "dvc.lock", ".dvcignore", ".gitignore", ".git"}
PLACES = {
    "clinpipe": {"<lock>": "lockfiles/dvc.lock", "<objects>": ".clinpipe/cas"},
    "dvc": {"<lock>": "dvc.lock", "<objects>": ".dvc/cache/files"},
}


class Tool:
    """One of the two programs, in a project of its own."""

    def __init__(self, kind, program, case):
        self.kind = kind
        self.program = program
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
        self.root = self.scratch / "project"
        self.root.mkdir()
        self.runs = self.scratch / "runs"
        self.env = {**os.environ, "RUNS": str(self.runs), "DVC_NO_ANALYTICS": "1", "HOME": str(self.scratch)}
        self.env["DVC_SITE_CACHE_DIR"] = str(self.scratch / "site")
        if kind == "dvc":
            self.call(["init", "-q", "--no-scm"])
        for name, text in case["files"].items():
            self.write(name, text)

    def call(self, args):
        done = subprocess.run(
            [self.program, *args], cwd=self.root, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return done.returncode, done.stdout + done.stderr

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.kind == "dvc" and name == ".dvc/config":
            text = "[core]\n    no_scm = True\n" + text
        path.write_text(text)

    def remove(self, name):
        path = self.root / PLACES[self.kind].get(name, name)
        if path.is_dir():
            subprocess.run(["chmod", "-R", "u+w", str(path)], check=True)
            shutil.rmtree(path)
        else:
            path.unlink()

    def step(self, step):
        """Edits and runs; gives whether it succeeded, what ran, and what was printed."""
        for name in step.get("remove", []):
            self.remove(name)
        for name, text in step.get("write", {}).items():
            self.write(name, text)
        for name in step.get("touch", []):
            (self.root / name).touch()
        before = self.told()
        args = (step["run"] if self.kind == "clinpipe" else step.get("dvc", step["run"])).split()
        if self.kind == "clinpipe" and args[0] == "repro":
            args.insert(1, "-j1")
        code, output = self.call(args)
        return code == 0, self.told()[len(before) :], output

    def told(self):
        return self.runs.read_text().split("\n")[:-1] if self.runs.exists() else []

    def files(self):
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root)
            if path.is_file() and name.parts[0] not in OWN and name.name not in OWN:
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def close(self):
        subprocess.run(["chmod", "-R", "u+w", str(self.scratch)], check=False)
        shutil.rmtree(self.scratch, ignore_errors=True)


def play(case, programs):
    """The differences between the two tools over one case, and the seconds each took."""
    tools = {kind: Tool(kind, program, case) for kind, program in programs.items()}
    differences, seconds, outputs = [], dict.fromkeys(tools, 0.0), []
    try:
        for at, step in enumerate(case["step"], 1):
            if "only" in step:
                continue
            results = {}
            for kind, tool in tools.items():
                start = time.monotonic()
                results[kind] = tool.step(step)
                seconds[kind] += time.monotonic() - start
            ours, theirs = results["clinpipe"], results["dvc"]
            outputs.append((step["run"], ours, theirs))
            if ours[0] != theirs[0]:
                word = {True: "succeeds", False: "fails"}
                differences.append(f"step {at}: clinpipe {word[ours[0]]}, DVC {word[theirs[0]]}")
            order = list if step.get("ordered") else sorted
            if order(ours[1]) != order(theirs[1]):
                differences.append(f"step {at}: clinpipe ran {ours[1]}, DVC ran {theirs[1]}")
        ours, theirs = tools["clinpipe"].files(), tools["dvc"].files()
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                what = "only under DVC" if name not in ours else "only under clinpipe" if name not in theirs else "other bytes"
                differences.append(f"{name}: {what}")
    finally:
        for tool in tools.values():
            tool.close()
    return differences, seconds, outputs


def judge(case, differences):
    """The verdict of the table, and whether it is one to fail for."""
    if "differs" in case and not case.get("same_result"):
        return ("differs as documented", False) if differences else ("DOES NOT DIFFER", True)
    if differences:
        return "DIFFERS", True
    return ("same result, see docs" if "differs" in case else "same"), False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clinpipe", type=pathlib.Path)
    parser.add_argument("dvc", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="print what the tools printed, for cases that differ")
    args = parser.parse_args()
    cases = []
    for section in SECTIONS:
        cases += tomllib.loads((CASES / f"{section}.toml").read_text())["case"]
    cases = [case for case in cases if not args.cases or case["number"] in args.cases]
    programs = {"clinpipe": str(args.clinpipe.absolute()), "dvc": str(args.dvc.absolute())}
    version = subprocess.run([programs["dvc"], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"| case | | clinpipe and DVC {version} | s clinpipe | s DVC |\n| --: | --- | --- | --: | --: |", flush=True)
    failed, total = [], {"clinpipe": 0.0, "dvc": 0.0}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for case, (differences, seconds, outputs) in zip(cases, pool.map(lambda case: play(case, programs), cases)):
            verdict, bad = judge(case, differences)
            for kind in total:
                total[kind] += seconds[kind]
            spent = f"{seconds['clinpipe']:.2f} | {seconds['dvc']:.2f}"
            print(f"| {case['number']} | {case['title']} | {verdict} | {spent} |", flush=True)
            if bad:
                failed.append(case["number"])
                print("\n".join(f"    {line}" for line in differences), file=sys.stderr)
                if args.verbose:
                    for command, ours, theirs in outputs:
                        print(f"--- {command}\n{ours}\n{theirs[2]}", file=sys.stderr)
    print(f"\n{len(cases) - len(failed)} of {len(cases)} as stated; {total['clinpipe']:.1f} s and {total['dvc']:.1f} s.")
    if failed:
        print(f"not as stated: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
