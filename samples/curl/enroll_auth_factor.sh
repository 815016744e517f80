# region
curl "$BASE_URL/user_management/users/$USER_ID/auth_factors" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"type": "totp", "totp_issuer": "Acme"}'
# endregion
