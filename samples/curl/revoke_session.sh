# region
curl "$BASE_URL/user_management/sessions/revoke" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"session_id\": \"$SESSION_ID\"}"
# endregion
