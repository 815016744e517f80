# region
curl "$BASE_URL/sso/jwks/$CLIENT_ID"
# endregion
