# region
curl --request POST "$BASE_URL/authfactor/passkey_authentications" \
  --header "Authorization: Bearer $API_KEY"
# endregion
