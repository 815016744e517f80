# region
curl "$BASE_URL/authfactor/reports/mfa_coverage" \
  --header "Authorization: Bearer $API_KEY"
# endregion
