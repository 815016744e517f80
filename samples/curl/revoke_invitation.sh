# region
curl --request POST "$BASE_URL/user_management/invitations/$INVITATION_ID/revoke" \
  --header "Authorization: Bearer $API_KEY"
# endregion
