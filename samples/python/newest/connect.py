# region
# pip install "workos>=10,<11"
import os

from workos import WorkOSClient

workos = WorkOSClient(
    api_key=os.environ["API_KEY"],
    client_id=os.environ["CLIENT_ID"],
    base_url=os.environ["BASE_URL"],
)
# endregion
