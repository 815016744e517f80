# region
curl "$BASE_URL/authfactor/branding" \
  --header "Authorization: Bearer $API_KEY"
# endregion
