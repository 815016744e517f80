# region
curl --request POST "$BASE_URL/authfactor/users/$USER_ID/recovery_codes" \
  --header "Authorization: Bearer $API_KEY"
# endregion
