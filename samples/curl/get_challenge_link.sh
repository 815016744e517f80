# region
curl "$BASE_URL/authfactor/challenge_links/$LINK_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
