# region
curl "$BASE_URL/auth/factors/challenge" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"authentication_factor_id\": \"$FACTOR_ID\"}"
# endregion
