# region
curl "$BASE_URL/user_management/users/$USER_ID/email_change/confirm" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"code\": \"$CODE\"}"
# endregion
