# region
curl --request PUT "$BASE_URL/authfactor/mfa_policy" \
  --header "Authorization: Bearer $API_KEY" \
  --header "Content-Type: application/json" \
  --data '{"policy": "if_enrolled", "trusted_devices": "allowed", "rules": [{"match": {"metadata": {"role": "admin"}}, "policy": "required", "grace_days": 14}]}'
# endregion
