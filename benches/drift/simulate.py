#!/usr/bin/env python3
"""How often a stable cohort alarms, and how late a drifting one does.

    benches/drift/simulate.py --binary target/release/clinpipe [--months 200] [--cohorts 20] [--size 500]

Trains the dropout study once, then looks at months of --size later patients with `drift` and `decide`, outcomes included:
first --months of a cohort like the training one, then --cohorts of twelve months that drift as variants/drift.yaml says
(from month 5 on, in full from month 7). Each cohort has a seed of its own. Prints two tables.
"""

import argparse
import collections
import csv
import json
import pathlib
import subprocess
import tempfile

import concurrent.futures

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DRIFT = {
    "months": 12, "from": 5, "over": 3, "first_patient": 10001,
    "shift": {"age": 0.5, "adverse_events": 0.4}, "levels": {"trial_phase": {"Phase III": 0.6}},
    "outcome": {"intercept": 1.0, "weights": {"adverse_events": 0.5}},
}


def stage(options, at, uses, inputs, outputs, params, name="request"):
    bind = lambda paths: {role: {"path": str(path), "name": pathlib.Path(path).name} for role, path in paths.items()}
    request = {"uses": uses, "inputs": bind(inputs), "outputs": bind(outputs), "params": params, "threads": 1}
    spec = at / f"{name}.{uses}.json"
    spec.write_text(json.dumps({"request": request, "memory": None}))
    # A stage ends when its parent does, which it knows by its standard input.
    run = subprocess.Popen([options.binary, "__stage", spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    told = run.stdout.read().decode()
    if run.wait():
        raise SystemExit(f"{uses}: {told}")
    run.stdin.close()
    run.stdout.close()


def cohort(options, at, name, seed, generate):
    """A generated table, as lists of cells."""
    stage(options, at, "generate", {}, {"table": at / f"{name}.csv"}, {"seed": seed, "generate": generate}, name)
    with open(at / f"{name}.csv", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def look(options, at, project, name, header, rows):
    """drift.json and decision.json of one month."""
    table = at / f"{name}.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    artifacts = project / "artifacts"
    report, decision = at / f"{name}.drift.json", at / f"{name}.decision.json"
    inputs = {
        "bundle": artifacts / "bundle", "current": table, "labels": table,
        "importance": artifacts / "importance.csv", "metrics": artifacts / "metrics.json",
    }
    stage(options, at, "drift", inputs, {"drift": report}, {"seed": 42, "drift": {}}, name)
    stage(options, at, "decide", {"drift": report}, {"decision": decision}, {"decide": {}}, name)
    seed = at / f"{name}.seed.json"
    stage(options, at, "decide", {"drift": report}, {"decision": seed}, {"decide": {"policy": "seed"}}, name)
    found = [json.loads(path.read_text()) for path in (report, decision, seed)]
    for path in (table, report, decision, seed):
        path.unlink()
    return found


def share(count, of):
    return f"{count} of {of} ({100 * count / of:.1f} %)"


def stable(options, at, project):
    header, rows = cohort(options, at, "stable", 1001, {"kind": "dropout_causal", "n": options.months * options.size})
    chunks = [rows[month * options.size : (month + 1) * options.size] for month in range(options.months)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        looks = list(pool.map(lambda pair: look(options, at, project, f"s{pair[0]}", header, pair[1]), enumerate(chunks)))
    n = len(looks)
    columns = sum(len(report["columns"]) for report, _, _ in looks)
    drifted = sum(column["verdict"] == "drifted" for report, _, _ in looks for column in report["columns"])
    plain = sum(
        column["distribution"]["test"]["p"] < 0.05 for report, _, _ in looks for column in report["columns"]
        if column["distribution"]["test"]["p"] is not None
    )
    print(f"| stable months of {options.size} patients | |\n| --- | --- |")
    print(f"| months with an alarm | {share(sum(report['alert']['triggered'] for report, _, _ in looks), n)} |")
    print(f"| columns said to drift | {share(drifted, columns)} |")
    print(f"| columns with an unadjusted p below 0.05, for comparison | {share(plain, columns)} |")
    for word in ("look", "recalibrate", "retrain"):
        count = sum(decision["decision"] == word for _, decision, _ in looks)
        print(f"| `decide` says {word} | {share(count, n)} |")
    count = sum(seed["retrain_required"] for _, _, seed in looks)
    print(f"| the policy `seed` retrains | {share(count, n)} |", flush=True)


def drifting(options, at, project):
    first = collections.defaultdict(list)
    before = 0
    for number in range(options.cohorts):
        size = {"kind": "dropout_causal", "n": 12 * options.size, "drift": DRIFT}
        header, rows = cohort(options, at, f"d{number}", 2000 + number, size)
        month_at = header.index("month")
        chunks = {month: [row for row in rows if row[month_at] == str(month)] for month in range(1, 13)}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            run = lambda pair: look(options, at, project, f"d{number}-{pair[0]}", header, pair[1])
            looks = dict(zip(chunks, pool.map(run, chunks.items())))
        before += sum(looks[month][0]["alert"]["triggered"] for month in range(1, 5))
        tests = {
            "alarm": lambda report, decision, seed: report["alert"]["triggered"],
            "alarm of severity high": lambda report, decision, seed: report["alert"]["severity"] == "high",
            "`look` or more": lambda report, decision, seed: decision["decision"] != "none",
            "`recalibrate` or more": lambda report, decision, seed: decision["decision"] in ("recalibrate", "retrain"),
            "`retrain`": lambda report, decision, seed: decision["decision"] == "retrain",
            "policy `seed` retrains": lambda report, decision, seed: seed["retrain_required"],
        }
        for name, test in tests.items():
            first[name].append(next((month for month in range(5, 13) if test(*looks[month])), None))
    print(f"\n| first seen in month | 5 | 6 | 7 | 8 | later | never |\n| --- | --- | --- | --- | --- | --- | --- |")
    for name, months in first.items():
        cells = [sum(month == one for month in months) for one in (5, 6, 7, 8)]
        cells += [sum(month is not None and month > 8 for month in months), sum(month is None for month in months)]
        print(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    print(f"\nAlarms in the four months before: {share(before, 4 * options.cohorts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "clinpipe")
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--size", type=int, default=500)
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    with tempfile.TemporaryDirectory() as directory:
        at = pathlib.Path(directory)
        project = at / "project"
        for command in (["init", str(project), "--study", "dropout"], ["-C", str(project), "repro", "-q", "evaluate", "explain"]):
            subprocess.run([options.binary, *command], check=True, stdout=subprocess.DEVNULL)
        stable(options, at, project)
        drifting(options, at, project)


if __name__ == "__main__":
    main()
