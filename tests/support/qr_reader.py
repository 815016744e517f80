"""A camera that looks at a page."""

import io
from typing import Final

from PIL import Image
from playwright.sync_api import Error, Page

TRIES: Final = 3
PAUSE_MILLISECONDS: Final = 500


def picture_of(page: Page) -> Image.Image:
    """Take a picture of what is on the screen.

    A browser on a busy machine may have nothing drawn yet and says so: then it is asked again.
    """
    for _ in range(TRIES - 1):
        try:
            return Image.open(io.BytesIO(page.screenshot()))
        except Error as error:
            if "Unable to capture screenshot" not in error.message:
                raise
            page.wait_for_timeout(PAUSE_MILLISECONDS)
    return Image.open(io.BytesIO(page.screenshot()))
