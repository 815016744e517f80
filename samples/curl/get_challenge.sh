# region
curl "$BASE_URL/authfactor/challenges/$CHALLENGE_ID" \
  --header "Authorization: Bearer $API_KEY"
# endregion
