#!/usr/bin/env python3
"""AUROC of the dropout generator's own risk, before its noise, on the cohort it wrote: what no honest model can beat
by more than chance. Usage: benches/dropout_ceiling.py data/synthetic.csv"""

import csv
import sys

PHASE = {"Phase I": 0.2, "Phase II": 0.5, "Phase III": 0.8}
ARM = {"Active": 0.1, "Control": 0.3, "Placebo": 0.4}


def risk(row):
    days = float(row["days_in_trial"])
    adverse_rate = float(row["adverse_events"]) / (days + 1)
    visit_rate = float(row["visits_completed"]) / (days / 30 + 1)
    young = (float(row["age"]) - 18) / 67 < 0.3
    return (
        35 * adverse_rate
        + 0.30 * (1 - visit_rate)
        + 0.20 * PHASE[row["trial_phase"]]
        + 0.10 * ARM[row["treatment_group"]]
        + 0.05 * young
    )


def auroc(scores, outcomes):
    """Mean over pairs of 1[x > z] + 1/2 1[x = z], by ranks."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, start = [0.0] * len(scores), 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        for i in order[start:end]:
            ranks[i] = (start + end + 1) / 2
        start = end
    events = sum(outcomes)
    rank_sum = sum(rank for rank, y in zip(ranks, outcomes) if y)
    return (rank_sum - events * (events + 1) / 2) / (events * (len(outcomes) - events))


rows = list(csv.DictReader(open(sys.argv[1])))
print(f"n {len(rows)}, AUROC of the noiseless risk {auroc([risk(r) for r in rows], [int(r['dropout']) for r in rows]):.4f}")
