# region
curl --request PUT "$BASE_URL/authfactor/senders/mail" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"kind": "smtp", "from_address": "no-reply@example.org", "smtp": {"host": "mail.example.org", "username": "mailer", "password": "a long password"}}'
# endregion
