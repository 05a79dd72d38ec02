"""The generated panel as `validate` leaves tables (row_id first), in its own order and in a random one."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = [
    "patient_id", "year", "bmi", "systolic_bp", "diastolic_bp", "cholesterol", "glucose", "num_visits", "target",
]
table = pq.read_table(sys.argv[1], columns=COLUMNS)
for path, order in [(sys.argv[2], None), (sys.argv[3], np.random.default_rng(0).permutation(len(table)))]:
    rows = table if order is None else table.take(pa.array(order))
    rows = rows.add_column(0, "row_id", pa.array(np.arange(len(rows))))
    pq.write_table(rows.combine_chunks(), path, row_group_size=131_072, compression="zstd", store_schema=False)
