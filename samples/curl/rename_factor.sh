# region
curl --request PATCH "$BASE_URL/authfactor/factors/$FACTOR_ID" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"name": "Blue phone"}'
# endregion
