"""Run the Python samples: each takes what it needs out of a scene that the runner has prepared.

Runs in the SDK's own environment, so it imports nothing else of ours: `run_python.py FOLDER CONNECT_HTTPX`.
"""

import contextlib
import inspect
import io
import json
import os
import runpy
import sys
import urllib.request
from pathlib import Path


def main(folder: Path, connect_httpx: str) -> None:
    given = runpy.run_path(str(folder / "connect.py"))
    scenes = json.loads(Path(os.environ["SCENES"]).read_text(encoding="utf-8"))
    results = {}
    for name, inputs in scenes.items():
        sample = runpy.run_path(str(folder / f"{name}.py"))["sample"]
        if "http" in inspect.signature(sample).parameters:  # no SDK has a method for this page
            given |= runpy.run_path(connect_httpx)
        wanted = {key: {**given, **inputs}[key] for key in inspect.signature(sample).parameters}
        # Tells the recorder whose requests follow.
        with urllib.request.urlopen(f"{os.environ['BASE_URL']}/-/begin/{name}"):
            pass
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                results[name] = {"ok": True, "said": "", "result": sample(**wanted) or ""}
        except Exception as error:  # noqa: BLE001 - whatever is raised is a failed sample
            results[name] = {"ok": False, "said": f"{type(error).__name__}: {error}", "result": ""}
        results[name]["printed"] = printed.getvalue()
    Path(os.environ["RESULTS"]).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
