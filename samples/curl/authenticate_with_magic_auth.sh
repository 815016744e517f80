# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"urn:workos:oauth:grant-type:magic-auth:code\",
    \"client_id\": \"$CLIENT_ID\",
    \"client_secret\": \"$API_KEY\",
    \"code\": \"$CODE\",
    \"email\": \"$EMAIL\"
  }"
# endregion
