# region
curl "$BASE_URL/auth/factors/enroll" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"type": "totp", "totp_issuer": "Acme", "totp_user": "kim@example.org"}'
# endregion
