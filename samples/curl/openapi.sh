# region
curl "$BASE_URL/openapi.json"
# endregion
