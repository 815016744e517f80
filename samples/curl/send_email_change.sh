# region
curl "$BASE_URL/user_management/users/$USER_ID/email_change/send" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"new_email\": \"$NEW_EMAIL\"}"
# endregion
