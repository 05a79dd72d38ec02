#!/usr/bin/env python3
"""Writes one layered graph twice: as dvc.yaml for clinpipe and as build.ninja for ninja.

Layers are 100 wide. A stage reads two files of the layer before and writes one of 12 bytes with a shell built-in.
Usage: layered_project.py STAGES DIR_CLINPIPE DIR_NINJA
"""
import pathlib
import sys

count, clinpipe, ninja = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
WIDTH = 100


def name(layer, column):
    return f"out/{layer:03}_{column % WIDTH:03}"


for place in (clinpipe, ninja):
    (place / "out").mkdir(parents=True)
    for column in range(WIDTH):
        (place / name(0, column)).write_text(f"raw {column}\n")

yaml = ["stages:"]
rules = ["rule sh", "  command = $cmd"]
for index in range(count):
    layer, column = index // WIDTH + 1, index % WIDTH
    out, a, b = name(layer, column), name(layer - 1, column), name(layer - 1, column + 1)
    cmd = f"echo {layer:03} of {column:03} > {out}"
    yaml += [f"  s{layer:03}_{column:03}:", f"    cmd: {cmd}", "    deps:", f"    - {a}", f"    - {b}", "    outs:", f"    - {out}"]
    rules += [f"build {out}: sh {a} {b}", f"  cmd = {cmd}"]
(clinpipe / "dvc.yaml").write_text("\n".join(yaml) + "\n")
(ninja / "build.ninja").write_text("\n".join(rules) + "\n")
