# region
curl "$BASE_URL/webhook_endpoints" \
  --header "Authorization: Bearer $API_KEY"
# endregion
