# region
curl "$BASE_URL/authfactor/messages?user_id=$USER_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
