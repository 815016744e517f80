# region
curl --request PATCH "$BASE_URL/webhook_endpoints/$ENDPOINT_ID" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"status": "disabled"}'
# endregion
