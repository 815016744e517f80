# region
curl "$BASE_URL/auth/factors/verify" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"authentication_challenge_id\": \"$CHALLENGE_ID\", \"code\": \"$CODE\"}"
# endregion
