# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"urn:workos:oauth:grant-type:email-verification:code\",
    \"client_id\": \"$CLIENT_ID\",
    \"client_secret\": \"$API_KEY\",
    \"code\": \"$CODE\",
    \"pending_authentication_token\": \"$PENDING_AUTHENTICATION_TOKEN\"
  }"
# endregion
