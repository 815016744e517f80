# region
curl "$BASE_URL/authfactor/users/$USER_ID/passkey_registrations" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"name\": \"Work laptop\"}"
# endregion
