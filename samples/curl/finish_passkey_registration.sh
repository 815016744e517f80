# region
curl "$BASE_URL/authfactor/users/$USER_ID/passkey_registrations/$REGISTRATION_ID/verify" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"credential\": $CREDENTIAL}"
# endregion
