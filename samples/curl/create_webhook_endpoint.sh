# region
curl "$BASE_URL/webhook_endpoints" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"endpoint_url\": \"$ENDPOINT_URL\", \"events\": [\"user.created\"]}"
# endregion
