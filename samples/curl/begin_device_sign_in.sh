# region
curl "$BASE_URL/user_management/authorize/device" \
  --header "Content-Type: application/json" \
  --data "{
    \"client_id\": \"$CLIENT_ID\"
  }"
# endregion
