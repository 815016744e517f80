# region
curl "$BASE_URL/user_management/users" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"email\": \"$EMAIL\", \"password\": \"$PASSWORD\", \"first_name\": \"Kim\"}"
# endregion
