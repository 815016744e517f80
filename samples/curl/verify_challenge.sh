# region
curl "$BASE_URL/auth/challenges/$CHALLENGE_ID/verify" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"code\": \"$CODE\"}"
# endregion
