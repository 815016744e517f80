# region
curl --request DELETE "$BASE_URL/auth/factors/$FACTOR_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
