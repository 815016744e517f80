# region
curl --get --include "$BASE_URL/user_management/authorize" \
  --data-urlencode "client_id=$CLIENT_ID" \
  --data-urlencode "redirect_uri=$REDIRECT_URI" \
  --data-urlencode "response_type=code" \
  --data-urlencode "provider=authkit" \
  --data-urlencode "state=$STATE"
# endregion
