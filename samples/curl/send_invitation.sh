# region
curl "$BASE_URL/user_management/invitations" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"email\": \"$EMAIL\", \"expires_in_days\": 3}"
# endregion
