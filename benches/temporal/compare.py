"""Says how far the engines' columns lie apart: compare.py FILE…, the first being the measure. Fails beyond rounding; pandas
keeps running sums, whose rounding errors add up."""

import sys

import numpy as np
import pyarrow.dataset as ds

first, *others = sys.argv[1:]
reference = ds.dataset(first)
names = [name for name in reference.schema.names if "_rolling_" in name or "_lag_" in name]
worst = dict.fromkeys(others, 0.0)
for name in names:
    expected = reference.to_table(columns=[name])[name].to_numpy()
    for other in others:
        table = ds.dataset(other).to_table(columns=["row_id", name])
        found = table[name].to_numpy()[np.argsort(table["row_id"].to_numpy(), kind="stable")]
        assert (np.isnan(found) == np.isnan(expected)).all(), f"{name}: {other} lacks other values than {first}"
        apart = np.nanmax(np.abs(found - expected) / np.maximum(1.0, np.abs(expected)))
        worst[other] = max(worst[other], apart)
for other, apart in worst.items():
    print(f"{len(names)} columns of {first} and {other} agree to {apart:.1e}", file=sys.stderr)
sys.exit(any(apart > (1e-4 if "pandas" in other else 1e-8) for other, apart in worst.items()))
