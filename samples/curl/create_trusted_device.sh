# region
curl "$BASE_URL/authfactor/trusted_devices" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{
    \"session_id\": \"$SESSION_ID\",
    \"name\": \"Firefox on Linux\"
  }"
# endregion
