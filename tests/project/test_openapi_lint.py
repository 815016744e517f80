"""tools/openapi_lint.py: both linters run, and each finds what the document must not have."""

import json
from pathlib import Path
from typing import Any

import pytest

from authfactor.http.api import openapi
from tests.support.skip_or_fail import skip_or_fail
from tools import openapi_lint


@pytest.fixture(scope="module")
def installed() -> None:
    if not (openapi_lint.FOLDER / "node_modules").is_dir():
        skip_or_fail("the linters are not installed (make openapi)")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("linter", ["spectral", "redocly"])
def test_a_linter_finds_what_is_wrong(tmp_path: Path, linter: str) -> None:
    document: dict[str, Any] = json.loads(openapi.document(openapi_lint.described()))
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    assert openapi_lint.findings(linter, file) == []

    document["paths"]["/healthz"]["get"]["operationId"] = document["paths"]["/readyz"]["get"]["operationId"]
    file.write_text(json.dumps(document))
    assert any("operationId" in finding for finding in openapi_lint.findings(linter, file))


@pytest.mark.usefixtures("installed")
def test_a_linter_that_cannot_run_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        openapi_lint.findings("redocly", tmp_path / "missing.json")
