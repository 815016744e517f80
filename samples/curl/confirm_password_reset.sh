# region
curl "$BASE_URL/user_management/password_reset/confirm" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"token\": \"$TOKEN\", \"new_password\": \"$NEW_PASSWORD\"}"
# endregion
