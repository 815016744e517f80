# region
curl "$BASE_URL/authfactor/messages/$MESSAGE_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
