# region
curl --request POST "$BASE_URL/user_management/users/$USER_ID/email_verification/send" \
  --header "Authorization: Bearer $API_KEY"
# endregion
