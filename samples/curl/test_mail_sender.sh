# region
curl "$BASE_URL/authfactor/senders/mail/test" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"to\": \"$EMAIL\"}"
# endregion
