# region
curl --request POST "$BASE_URL/authfactor/imports" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"entries\": [{\"user_id\": \"$USER_ID\", \"totp_secret\": \"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\", \"algorithm\": \"SHA256\", \"digits\": 8, \"period\": 60}]}"
# endregion
