# region
curl "$BASE_URL/user_management/cors_origins" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{
    \"origin\": \"$ORIGIN\"
  }"
# endregion
