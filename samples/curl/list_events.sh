# region
curl "$BASE_URL/events?events=user.created,session.revoked&limit=20" \
  --header "Authorization: Bearer $API_KEY"
# endregion
