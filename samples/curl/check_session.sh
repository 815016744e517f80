# region
curl "$BASE_URL/authfactor/sessions/$SESSION_ID/check" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"acr": "urn:authfactor:acr:2", "max_age": 300}'
# endregion
