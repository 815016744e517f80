"""Load authfactor at half its maximum rate and watch its memory: `python bench/soak.py --help`."""

import sys

from harness.environment import run_inside

if __name__ == "__main__":
    run_inside("harness.soak", sys.argv[1:])
