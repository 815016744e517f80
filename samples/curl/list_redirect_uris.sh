# region
curl "$BASE_URL/user_management/redirect_uris" \
  --header "Authorization: Bearer $API_KEY"
# endregion
