# region
curl --request POST "$BASE_URL/auth/factors/$FACTOR_ID/challenge" \
  --header "Authorization: Bearer $API_KEY"
# endregion
