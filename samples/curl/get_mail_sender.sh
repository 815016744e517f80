# region
curl "$BASE_URL/authfactor/senders/mail" \
  --header "Authorization: Bearer $API_KEY"
# endregion
