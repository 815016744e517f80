# region
curl "$BASE_URL/authfactor/mfa_policy" \
  --header "Authorization: Bearer $API_KEY"
# endregion
