# region
curl "$BASE_URL/authfactor/factors/$FACTOR_ID/resync" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"codes\": [\"$CODE\", \"$NEXT_CODE\"]}"
# endregion
