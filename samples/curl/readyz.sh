# region
curl --fail "$BASE_URL/readyz"
# endregion
