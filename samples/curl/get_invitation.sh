# region
curl "$BASE_URL/user_management/invitations/$INVITATION_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
