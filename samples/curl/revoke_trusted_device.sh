# region
curl --request DELETE "$BASE_URL/authfactor/users/$USER_ID/trusted_devices/$DEVICE_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
