# region
curl "$BASE_URL/authfactor/challenge_links" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"user_id\": \"$USER_ID\", \"return_to\": \"$RETURN_TO\", \"state\": \"visit-7\"}"
# endregion
