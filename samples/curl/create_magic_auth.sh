# region
curl "$BASE_URL/user_management/magic_auth" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"email\": \"$EMAIL\"}"
# endregion
