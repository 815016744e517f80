# region
curl "$BASE_URL/user_management/users/$USER_ID/identities" \
  --header "Authorization: Bearer $API_KEY"
# endregion
