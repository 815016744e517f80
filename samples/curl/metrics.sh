# region
curl "$BASE_URL/metrics" \
  --header "Authorization: Bearer $METRICS_TOKEN"
# endregion
