"""Print where the server's time goes under load, by part: `python bench/where.py --help`."""

import sys

from harness.environment import run_inside

if __name__ == "__main__":
    run_inside("harness.where", sys.argv[1:])
