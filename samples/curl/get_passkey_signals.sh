# region
curl "$BASE_URL/authfactor/users/$USER_ID/passkey_signals" \
  --header "Authorization: Bearer $API_KEY"
# endregion
