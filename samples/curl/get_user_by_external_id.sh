# region
curl "$BASE_URL/user_management/users/external_id/$EXTERNAL_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
