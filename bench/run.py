"""Compare authfactor with its peer under load: `python bench/run.py --help`."""

import sys

from harness.environment import run_inside

if __name__ == "__main__":
    run_inside("harness.compare", sys.argv[1:])
