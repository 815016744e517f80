# region
curl "$BASE_URL/user_management/redirect_uris" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{
    \"uri\": \"$URI\"
  }"
# endregion
