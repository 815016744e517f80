# region
curl --request DELETE "$BASE_URL/webhook_endpoints/$ENDPOINT_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
