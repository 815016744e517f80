# region
curl --request DELETE "$BASE_URL/user_management/users/$USER_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
