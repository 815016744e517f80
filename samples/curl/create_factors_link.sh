# region
curl "$BASE_URL/authfactor/factors_links" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"user_id\": \"$USER_ID\", \"session_id\": \"$SESSION_ID\", \"return_to\": \"$RETURN_TO\"}"
# endregion
