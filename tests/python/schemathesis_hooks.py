"""What schemathesis has to know of the service that JSON Schema cannot say.

A record that its schema accepts may still break a rule across fields, or bring a past that is not its patient's. The
schema lists both beside it (`x-rules`, `x-history`), and records meant to be accepted are made to keep them: only those
that the schema accepts already, and they are still accepted by it afterwards. Tables are written from such records.
"""

import csv
import io
import json
import operator
import os
import random
import re
from pathlib import Path

import jsonschema_rs
import pyarrow as pa
import schemathesis
from hypothesis import strategies as st

RULE = re.compile(r"^(\w+) (<=|<|>=|>) (\w+)$")
HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}
STEP = {"<=": 0, "<": -1, ">=": 0, ">": 1}
ARROW = "application/vnd.apache.arrow.stream"

# What /schema answers, in the file that `CLINPIPE_RECORD_SCHEMA` names.
SCHEMA = json.loads(Path(os.environ["CLINPIPE_RECORD_SCHEMA"]).read_text())
accepts = jsonschema_rs.Draft202012Validator(SCHEMA).is_valid


def with_rules(record):
    """The record, keeping the rules between two fields that refuse it otherwise."""
    for rule in SCHEMA.get("x-rules", []):
        parts = RULE.match(rule["check"])
        if rule["level"] == "warning" or not parts:
            continue
        left, sign, right = parts.groups()
        if record.get(left) is None or record.get(right) is None or HOLDS[sign](record[left], record[right]):
            continue
        for name, value in [(left, record[right] + STEP[sign]), (right, record[left] - STEP[sign])]:
            if accepts({**record, name: value}):
                record = {**record, name: value}
                break
    return record


def with_past(record):
    """The record, with rows of its own patient at earlier times of their own."""
    rule = SCHEMA.get("x-history")
    if not rule or not record.get("history"):
        return record
    entity, time = rule["entity"], rule["time"]
    rows = [{**row, time: record[time] - 1 - at, **({entity: record[entity]} if entity in row else {})} for at, row in enumerate(record["history"])]
    kept = [row for row in rows if accepts({**record, "history": [row]})]
    return {**record, "history": kept}


def repaired(record):
    return with_past(with_rules(record)) if accepts(record) else record


def sample(schema, chance):
    """A record with a value in every field that has one by its type alone."""
    record = {}
    for name, field in schema["properties"].items():
        kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
        if "array" in kinds or (name not in schema["required"] and chance.random() < 0.5):
            continue
        if "enum" in field:
            record[name] = chance.choice(field["enum"])
        elif "integer" in kinds or "number" in kinds:
            low, high = field.get("minimum", -3), field.get("maximum", 3)
            record[name] = chance.randint(int(low), int(high)) if "integer" in kinds else chance.uniform(low, high)
        elif "pattern" in field:
            record[name] = "P0001" if re.search(field["pattern"], "P0001") else "P-0001"
        else:
            record[name] = "text"
    return record


def table(media, seed):
    """Some records as a table; a cell of one that cannot be scored is its own error."""
    chance = random.Random(seed)
    records = [repaired(sample(SCHEMA, chance)) for _ in range(chance.randint(0, 5))]
    names = [name for name in SCHEMA["properties"] if name != "history"]
    if media == "text/csv":
        text = io.StringIO()
        cells = [["" if record.get(name) is None else record[name] for name in names] for record in records]
        csv.writer(text).writerows([names, *cells])
        return text.getvalue().encode()
    batch = pa.table({name: pa.array([record.get(name) for record in records]) for name in names})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_table(batch)
    return sink.getvalue()


for media in ["text/csv", ARROW]:
    schemathesis.openapi.media_type(media, st.integers(0, 2**32).map(lambda seed, media=media: table(media, seed)))


@schemathesis.deserializer(ARROW)
def rows(context, response):
    return pa.ipc.open_stream(response.content).read_all().to_pylist()


@schemathesis.hook
def before_call(context, case, kwargs):
    wanted = case.meta is not None and not case.meta.generation.mode.is_negative
    if wanted and isinstance(case.body, dict):
        case.body = repaired(case.body)
