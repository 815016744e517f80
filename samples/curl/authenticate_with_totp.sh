# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"urn:workos:oauth:grant-type:mfa-totp\",
    \"client_id\": \"$CLIENT_ID\",
    \"client_secret\": \"$API_KEY\",
    \"code\": \"$CODE\",
    \"authentication_challenge_id\": \"$CHALLENGE_ID\",
    \"pending_authentication_token\": \"$PENDING_AUTHENTICATION_TOKEN\"
  }"
# endregion
