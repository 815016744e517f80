# region
curl "$BASE_URL/authfactor/users/$USER_ID/factors" \
  --header "Authorization: Bearer $API_KEY"
# endregion
