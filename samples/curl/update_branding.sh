# region
curl --request PUT "$BASE_URL/authfactor/branding" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"name": "Acme", "color": "#1f5fd0"}'
# endregion
