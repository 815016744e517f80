# region
curl "$BASE_URL/authfactor/users/$USER_ID/mfa_policy" \
  --header "Authorization: Bearer $API_KEY"
# endregion
