# region
curl --request PUT "$BASE_URL/authfactor/users/$USER_ID/mfa_policy" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"policy": "exempt", "until": "'"$ENDS_AT"'", "reason": "Phone in repair"}'
# endregion
