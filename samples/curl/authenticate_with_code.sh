# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"authorization_code\",
    \"client_id\": \"$CLIENT_ID\",
    \"client_secret\": \"$API_KEY\",
    \"code\": \"$CODE\"
  }"
# endregion
