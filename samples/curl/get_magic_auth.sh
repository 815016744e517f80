# region
curl "$BASE_URL/user_management/magic_auth/$MAGIC_AUTH_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
