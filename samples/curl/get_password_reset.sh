# region
curl "$BASE_URL/user_management/password_reset/$PASSWORD_RESET_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
