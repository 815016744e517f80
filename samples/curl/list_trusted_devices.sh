# region
curl "$BASE_URL/authfactor/users/$USER_ID/trusted_devices" \
  --header "Authorization: Bearer $API_KEY"
# endregion
