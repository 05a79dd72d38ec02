#!/usr/bin/env python3
"""Runs a command and prints the peak resident memory of it and its children. Usage: peak_memory.py COMMAND…"""
import resource
import subprocess
import sys

subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
