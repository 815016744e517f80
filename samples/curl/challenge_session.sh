# region
curl "$BASE_URL/authfactor/sessions/$SESSION_ID/challenges" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"allow_recovery": false}'
# endregion
