# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"urn:authfactor:oauth:grant-type:passkey\",
    \"client_id\": \"$CLIENT_ID\",
    \"client_secret\": \"$API_KEY\",
    \"authentication_id\": \"$AUTHENTICATION_ID\",
    \"credential\": $CREDENTIAL
  }"
# endregion
