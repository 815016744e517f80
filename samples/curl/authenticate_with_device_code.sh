# region
curl "$BASE_URL/user_management/authenticate" \
  --header "Content-Type: application/json" \
  --data "{
    \"grant_type\": \"urn:ietf:params:oauth:grant-type:device_code\",
    \"client_id\": \"$CLIENT_ID\",
    \"device_code\": \"$DEVICE_CODE\"
  }"
# endregion
