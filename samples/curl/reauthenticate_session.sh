# region
curl "$BASE_URL/authfactor/sessions/$SESSION_ID/reauthenticate" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"password\": \"$PASSWORD\", \"ip_address\": \"203.0.113.7\"}"
# endregion
