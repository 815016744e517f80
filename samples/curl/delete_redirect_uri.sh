# region
curl --request DELETE "$BASE_URL/user_management/redirect_uris/$REDIRECT_URI_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
