# region
curl "$BASE_URL/user_management/invitations/by_token/$TOKEN" \
  --header "Authorization: Bearer $API_KEY"
# endregion
