# region
curl "$BASE_URL/authfactor/trusted_devices/rotate" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data "{\"token\": \"$DEVICE_TOKEN\"}"
# endregion
