# region
curl "$BASE_URL/user_management/email_verification/$EMAIL_VERIFICATION_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
