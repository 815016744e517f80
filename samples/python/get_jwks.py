import httpx


def sample(workos):
    # region
    url = workos.user_management.get_jwks_url()
    keys = httpx.get(url).json()["keys"]

    for key in keys:
        print(key["kid"])
    # endregion
