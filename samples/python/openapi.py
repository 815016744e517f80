def sample(http):
    # region
    document = http.get("/openapi.json").json()

    print(document["info"]["version"], len(document["paths"]))
    # endregion
