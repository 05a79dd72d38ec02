"""One peer: reads the panel, computes the 36 columns, writes them.  peer.py ENGINE IN OUT"""

import sys

MEASURED = ["bmi", "systolic_bp", "diastolic_bp", "cholesterol", "glucose", "num_visits"]


def polars(source, target):
    """Lazy and streaming. Rows stand in order, so a window of three years is a row and the two before it, where these are
    the patient's and late enough; no grouping is needed."""
    import polars as pl

    table = pl.scan_parquet(source)
    year = pl.col("year").cast(pl.Float64)
    mine = [pl.lit(True)] + [pl.col("patient_id") == pl.col("patient_id").shift(by) for by in [1, 2]]
    ago = [pl.lit(0.0)] + [year - year.shift(by) for by in [1, 2]]
    # The rows of the window, oldest first.
    flags = {f"in{by}": mine[by] & (ago[by] < 3) for by in [1, 2]}
    flags["before"] = mine[1] & (ago[1] == 1)
    times = {f"t{by}": -ago[by] for by in [1, 2]}
    table = table.with_columns(**flags, **times)
    columns = []
    for name in MEASURED:
        value = pl.col(name).cast(pl.Float64)
        seen = [pl.when("in2").then(value.shift(2)), pl.when("in1").then(value.shift(1)), value]
        when = [pl.col("t2"), pl.col("t1"), pl.lit(0.0)]
        count = pl.sum_horizontal([one.is_not_null().cast(pl.Float64) for one in seen])
        mean = pl.mean_horizontal(seen)
        time = pl.mean_horizontal([pl.when(one.is_not_null()).then(t) for one, t in zip(seen, when)])
        squares = pl.sum_horizontal([(one - mean) ** 2 for one in seen])
        spread = pl.sum_horizontal([pl.when(one.is_not_null()).then((t - time) ** 2) for one, t in zip(seen, when)])
        product = pl.sum_horizontal([(t - time) * (one - mean) for one, t in zip(seen, when)])
        columns += [
            mean.alias(f"{name}_rolling_mean_3y"),
            pl.when(count > 1).then((squares / (count - 1)).sqrt()).alias(f"{name}_rolling_std_3y"),
            pl.min_horizontal(seen).alias(f"{name}_rolling_min_3y"),
            pl.max_horizontal(seen).alias(f"{name}_rolling_max_3y"),
            pl.when(count > 1).then(product / spread).alias(f"{name}_rolling_trend_3y"),
            pl.when("before").then(value.shift(1)).alias(f"{name}_lag_1y"),
        ]
    table.select("row_id", "patient_id", "target", *columns).sink_parquet(target, engine="streaming")


def shifted(frame):
    """The same by groups of pandas: what is usual where speed matters."""
    import numpy as np
    import pandas as pd

    groups = frame.groupby("patient_id", sort=False)
    year = frame["year"].to_numpy(float)
    ago = [year - groups["year"].shift(by).to_numpy(float) for by in [1, 2]]
    out = {"row_id": frame["row_id"], "patient_id": frame["patient_id"], "target": frame["target"]}
    times = np.stack([-ago[1], -ago[0], np.zeros(len(frame))])
    for name in MEASURED:
        shift = [groups[name].shift(by).to_numpy(float) for by in [1, 2]]
        seen = np.stack([np.where(ago[1] < 3, shift[1], np.nan), np.where(ago[0] < 3, shift[0], np.nan), frame[name]])
        known = ~np.isnan(seen)
        count = known.sum(axis=0)
        total = np.where(known, seen, 0.0)
        with np.errstate(all="ignore"):
            mean = total.sum(axis=0) / count
            time = np.where(known, times, 0.0).sum(axis=0) / count
            off, away = np.where(known, seen - mean, 0.0), np.where(known, times - time, 0.0)
            out[f"{name}_rolling_mean_3y"] = mean
            out[f"{name}_rolling_std_3y"] = np.where(count > 1, np.sqrt((off**2).sum(axis=0) / (count - 1)), np.nan)
            out[f"{name}_rolling_min_3y"] = np.fmin.reduce(seen)
            out[f"{name}_rolling_max_3y"] = np.fmax.reduce(seen)
            slope = (off * away).sum(axis=0) / (away**2).sum(axis=0)
            out[f"{name}_rolling_trend_3y"] = np.where(count > 1, slope, np.nan)
        out[f"{name}_lag_1y"] = np.where(ago[0] == 1, shift[0], np.nan)
    return pd.DataFrame(out)


def dask(source, target):
    """Two processes, each with whole patients: the file is cut where a patient begins."""
    import dask
    import dask.dataframe as dd
    import pandas as pd
    import pyarrow.parquet as pq

    ids = pq.read_table(source, columns=["patient_id"])["patient_id"].combine_chunks()
    step, cuts = 250_000, [0]
    while cuts[-1] + step < len(ids):
        cut = cuts[-1] + step
        while cut < len(ids) and ids[cut] == ids[cut - 1]:
            cut += 1
        cuts.append(cut)
    cuts.append(len(ids))
    del ids

    def part(first, last):
        file = pq.ParquetFile(source)
        wanted, start = [], 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if start < last and start + rows > first:
                wanted.append((group, start))
            start += rows
        table = file.read_row_groups([group for group, _ in wanted])
        offset = wanted[0][1]
        return shifted(table.slice(first - offset, last - first).to_pandas())

    meta = part(0, 8).iloc[:0]
    table = dd.from_map(part, cuts[:-1], cuts[1:], meta=meta)
    with dask.config.set(scheduler="processes", num_workers=2):
        table.to_parquet(target, compression="zstd", write_index=False, overwrite=True)


def pandas(source, target):
    """The usual way: groupby, rolling, and a fitted line per window."""
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(source)
    groups = frame.groupby("patient_id", sort=False)
    out = {"row_id": frame["row_id"], "patient_id": frame["patient_id"], "target": frame["target"]}

    def slope(values):
        known = ~np.isnan(values)
        return np.polyfit(np.arange(len(values))[known], values[known], 1)[0] if known.sum() > 1 else np.nan

    for name in MEASURED:
        rolling = groups[name].rolling(3, min_periods=1)
        for stat in ["mean", "std", "min", "max"]:
            out[f"{name}_rolling_{stat}_3y"] = getattr(rolling, stat)().to_numpy()
        out[f"{name}_rolling_trend_3y"] = rolling.apply(slope, raw=True).to_numpy()
        out[f"{name}_lag_1y"] = groups[name].shift(1)
    pd.DataFrame(out).to_parquet(target, compression="zstd", index=False)


if __name__ == "__main__":
    {"polars": polars, "dask": dask, "pandas": pandas}[sys.argv[1]](sys.argv[2], sys.argv[3])
