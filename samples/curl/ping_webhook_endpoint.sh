# region
curl --request POST "$BASE_URL/authfactor/webhook_endpoints/$ENDPOINT_ID/ping" \
  --header "Authorization: Bearer $API_KEY"
# endregion
