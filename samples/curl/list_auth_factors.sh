# region
curl "$BASE_URL/user_management/users/$USER_ID/auth_factors?limit=10" \
  --header "Authorization: Bearer $API_KEY"
# endregion
