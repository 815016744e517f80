# region
curl --get "$BASE_URL/user_management/invitations" \
  --header "Authorization: Bearer $API_KEY" \
  --data-urlencode "email=$EMAIL"
# endregion
