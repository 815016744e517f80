# region
curl --request POST "$BASE_URL/authfactor/mfa_policy/preview" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"policy": "if_enrolled", "rules": [{"match": {"metadata": {"role": "admin"}}, "policy": "required", "grace_days": 14}]}'
# endregion
