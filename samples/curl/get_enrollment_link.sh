# region
curl "$BASE_URL/authfactor/enrollment_links/$LINK_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
