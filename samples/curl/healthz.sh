# region
curl --fail "$BASE_URL/healthz"
# endregion
