"""Screenshots of a page, to read QR codes from."""

import io
from typing import Final

from PIL import Image
from playwright.sync_api import Error, Page

ATTEMPTS: Final = 3
PAUSE_MILLISECONDS: Final = 500


def screenshot_of(page: Page) -> Image.Image:
    """Take a screenshot.

    On a busy machine the browser may not have drawn the page yet and raises an error: then it is retried.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return Image.open(io.BytesIO(page.screenshot()))
        except Error as error:
            if "Unable to capture screenshot" not in error.message:
                raise
            page.wait_for_timeout(PAUSE_MILLISECONDS)
    return Image.open(io.BytesIO(page.screenshot()))
