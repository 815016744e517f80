"""Enroll 100,000 factors and report the server's memory before and after: `python bench/memory.py --help`."""

import sys

from harness.environment import run_inside

if __name__ == "__main__":
    run_inside("harness.memory", sys.argv[1:])
