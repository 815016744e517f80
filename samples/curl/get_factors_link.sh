# region
curl "$BASE_URL/authfactor/factors_links/$LINK_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
