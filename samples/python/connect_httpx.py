# region
# pip install httpx
import os

import httpx

http = httpx.Client(
    base_url=os.environ["BASE_URL"],
    headers={"Authorization": f"Bearer {os.environ['API_KEY']}"},
)
# endregion
