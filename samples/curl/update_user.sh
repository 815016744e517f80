# region
curl --request PUT "$BASE_URL/user_management/users/$USER_ID" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"first_name": "Kim", "metadata": {"plan": "pro"}}'
# endregion
