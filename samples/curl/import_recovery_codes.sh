# region
curl --request PUT "$BASE_URL/authfactor/users/$USER_ID/recovery_codes" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"codes": ["k7x9-q2mu-45wd", "8vhu-3rl6-zp1c"]}'
# endregion
