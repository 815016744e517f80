# region
curl --get --include "$BASE_URL/user_management/sessions/logout" \
  --data-urlencode "session_id=$SESSION_ID" \
  --data-urlencode "return_to=$RETURN_TO"
# endregion
