# region
curl "$BASE_URL/user_management/cors_origins" \
  --header "Authorization: Bearer $API_KEY"
# endregion
