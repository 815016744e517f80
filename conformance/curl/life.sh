#!/usr/bin/env bash
# The whole life with curl. Needs BASE_URL, API_KEY, CLIENT_ID, and PYTHON for reading JSON and computing codes.
set -uo pipefail

PASSWORD='a long and rare passphrase 7!'
SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ
EMAIL="kim.$$.$(date +%s%N)@example.org"
UNKNOWN_USER=user_01HZZZZZZZZZZZZZZZZZZZZZZZ
NOTHING=auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ
FACTORS=/user_management/users/%s/auth_factors
FAILURES=0

# call METHOD PATH [BODY]: fills STATUS, KIND (content type) and BODY
call() {
    local body=() answer
    [ $# -lt 3 ] || body=(--data "$3")
    answer=$(curl --silent --show-error --max-time 30 --noproxy '*' --request "$1" "$BASE_URL$2" \
        --header "Authorization: Bearer ${KEY:-$API_KEY}" --header 'Content-Type: application/json' \
        "${body[@]}" --write-out '\n%{http_code}\n%{content_type};' 2>&1)
    KIND=${answer##*$'\n'} KIND=${KIND%;} answer=${answer%$'\n'*}
    STATUS=${answer##*$'\n'} BODY=${answer%$'\n'*}
    LAST="$1 $2 -> $STATUS $BODY"
}

# field PATH: prints a value of BODY; names and indexes are joined with dots
field() {
    "$PYTHON" -ISc '
import json, sys
found = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    found = found[int(name)] if isinstance(found, list) else found[name]
print(found if isinstance(found, str) else json.dumps(found))' "$1" <<<"$BODY" 2>&1
}

tell() { "$PYTHON" -m conformance.curl.tell "$@" 2>&1; }

# same WHAT FOUND EXPECTED: remembers the first difference of a step
same() { [ "$2" = "$3" ] || REASON=${REASON:-"$1: '$2' instead of '$3' after $LAST"}; }
ensure() { "${@:2}" || REASON=${REASON:-"$1 after $LAST"}; }

step() {
    REASON='' LAST=''
    "$2"
    if [ -z "$REASON" ]; then
        echo "ok $1"
    else
        FAILURES=$((FAILURES + 1))
        printf 'not ok %s\n# %s\n' "$1" "$(tr -s '[:space:]' ' ' <<<"${REASON:0:600}")"
    fi
}

create_user() {
    call POST /user_management/users \
        "{\"email\": \"$EMAIL\", \"password\": \"$PASSWORD\", \"email_verified\": true}"
    same status "$STATUS" 201
    USER_ID=$(field id)
    call GET "/user_management/users/$USER_ID"
    same email "$(field email)" "$EMAIL"
}

enroll() {
    call POST "$(printf "$FACTORS" "$USER_ID")" '{"type": "totp"}'
    same status "$STATUS" 201
    same 'both names' "$(field factor)" "$(field authentication_factor)"
    FACTOR=$(field authentication_factor.id) OWN_SECRET=$(field authentication_factor.totp.secret)
    PICTURE=$(field authentication_factor.totp.qr_code) URI=$(field authentication_factor.totp.uri)
    CHALLENGE=$(field authentication_challenge.id)
    same 'challenged factor' "$(field authentication_challenge.authentication_factor_id)" "$FACTOR"
    ensure 'expires_at is missing' [ -n "$(field authentication_challenge.expires_at | grep Z)" ]
}

enroll_own() {
    call POST "$(printf "$FACTORS" "$USER_ID")" "{\"type\": \"totp\", \"totp_issuer\": \"Acme & Söhne\",
        \"totp_user\": \"kim+2@example.org\", \"totp_secret\": \"$SECRET\"}"
    same status "$STATUS" 201
    OWN=$(field authentication_factor.id)
    same issuer "$(field authentication_factor.totp.issuer)" 'Acme & Söhne'
    same account "$(field authentication_factor.totp.user)" kim+2@example.org
    same secret "$(field authentication_factor.totp.secret)" "$SECRET"
}

qr_code() { same picture "$(tell picture "$PICTURE")" "$URI"; }

# verified CHALLENGE CODE EXPECTED
verified() {
    call POST "/auth/challenges/$1/verify" "{\"code\": \"$2\"}"
    same status "$STATUS" 201
    same valid "$(field valid)" "$3"
}

wrong_code() { verified "$CHALLENGE" "$(tell wrong "$OWN_SECRET")" false; }

verify() {
    CODE=$(tell code "$OWN_SECRET")
    verified "$CHALLENGE" "$CODE" true
    verified "$CHALLENGE" "$CODE" true
    call POST "/auth/challenges/$CHALLENGE/verify" "{\"code\": \"$(tell wrong "$OWN_SECRET")\"}"
    same 'status of another code' "$STATUS" 422
    same code "$(field code)" authentication_challenge_previously_verified
}

challenge() {
    call POST "/auth/factors/$FACTOR/challenge"
    same status "$STATUS" 201
    AGAIN=$(field id)
    same 'challenged factor' "$(field authentication_factor_id)" "$FACTOR"
}

replay() { verified "$AGAIN" "$CODE" false; }

pages() {
    call GET "$(printf "$FACTORS" "$USER_ID")?limit=1"
    same 'first page' "$(field data.0.id)" "$OWN"
    call GET "$(printf "$FACTORS" "$USER_ID")?limit=1&after=$(field list_metadata.after)"
    same 'second page' "$(field data.0.id)" "$FACTOR"
    same 'end of the list' "$(field list_metadata.after)" null
}

get() {
    call GET "/auth/factors/$OWN"
    same status "$STATUS" 200
    same issuer "$(field totp.issuer)" 'Acme & Söhne'
    ensure 'a secret shown twice' [ "${BODY#*"$SECRET"}" = "$BODY" ]
}

unknown_ids() {
    local request
    for request in "GET /user_management/users/$UNKNOWN_USER" "GET /auth/factors/$NOTHING" \
        "DELETE /auth/factors/$NOTHING" "POST /auth/factors/$NOTHING/challenge"; do
        call ${request}
        same status "$STATUS" 404
        same code "$(field code)" entity_not_found
    done
}

bad_secret() {
    call POST "$(printf "$FACTORS" "$USER_ID")" '{"type": "totp", "totp_secret": "0189!"}'
    same status "$STATUS" 422
    same code "$(field code)" invalid_request_parameters
    same field "$(field errors.0.field)" totp_secret
}

wrong_key() {
    KEY=sk_test_wrong call GET "/user_management/users/$USER_ID"
    same status "$STATUS" 401
    same message "$(field message)" Unauthorized
}

# authenticate GRANT FIELDS
authenticate() {
    call POST /user_management/authenticate "{\"grant_type\": \"$1\", \"client_id\": \"$CLIENT_ID\",
        \"client_secret\": \"$API_KEY\", $2}"
}

password() {
    authenticate password "\"email\": \"$EMAIL\", \"password\": \"$PASSWORD\""
    same status "$STATUS" 403
    same code "$(field code)" mfa_challenge
    PENDING=$(field pending_authentication_token)
}

sign_in() {
    call POST "/auth/factors/$OWN/challenge"
    authenticate urn:workos:oauth:grant-type:mfa-totp "\"code\": \"$(tell code "$SECRET")\",
        \"pending_authentication_token\": \"$PENDING\", \"authentication_challenge_id\": \"$(field id)\""
    same status "$STATUS" 200
    same user "$(field user.id)" "$USER_ID"
    ACCESS=$(field access_token) REFRESH=$(field refresh_token)
}

jwks() {
    BODY=$(tell claims "$ACCESS")
    same subject "$(field sub)" "$USER_ID"
    SESSION=$(field sid)
}

refresh() {
    authenticate refresh_token "\"refresh_token\": \"$REFRESH\""
    same status "$STATUS" 200
    REFRESH=$(field refresh_token)
    BODY=$(tell claims "$(field access_token)")
    same session "$(field sid)" "$SESSION"
}

sessions() {
    call GET "/user_management/users/$USER_ID/sessions"
    same session "$(field data.0.id)" "$SESSION"
    call POST /user_management/sessions/revoke "{\"session_id\": \"$SESSION\"}"
    same 'empty answer' "$STATUS $KIND$BODY" '200 '
    call GET "/user_management/users/$USER_ID/sessions"
    same revoked "$(field data)" '[]'
    authenticate refresh_token "\"refresh_token\": \"$REFRESH\""
    same 'status of a refresh' "$STATUS $(field error)" '400 invalid_grant'
}

events() {
    local name
    for name in user.created session.revoked; do
        call GET "/events?events=$name&limit=1&order=desc"
        same status "$STATUS" 200
        same event "$(field data.0.event)" "$name"
    done
    same user "$(field data.0.data.user_id)" "$USER_ID"
}

recovery_code() {
    call POST "/authfactor/users/$USER_ID/recovery_codes"
    same status "$STATUS" 201
    local first second
    first=$(field codes.0) second=$(field codes.1)
    call POST "/auth/factors/$OWN/challenge"
    verified "$(field id)" "$first" true
    call POST "/auth/factors/$OWN/challenge"
    AGAIN=$(field id)
    verified "$AGAIN" "$first" false
    authenticate password "\"email\": \"$EMAIL\", \"password\": \"$PASSWORD\""
    authenticate urn:workos:oauth:grant-type:mfa-totp "\"code\": \"$second\",
        \"pending_authentication_token\": \"$(field pending_authentication_token)\",
        \"authentication_challenge_id\": \"$AGAIN\""
    same status "$STATUS" 200
    BODY=$(tell claims "$(field access_token)")
    same methods "$(field amr)" '["pwd", "recovery_code", "mfa"]'
}

delete() {
    call DELETE "/auth/factors/$FACTOR"
    same 'empty answer' "$STATUS $KIND$BODY" '204 '
    call GET "/auth/factors/$FACTOR"
    same status "$STATUS" 404
}

delete_user() {
    call DELETE "/user_management/users/$USER_ID"
    same 'empty answer' "$STATUS $KIND$BODY" '200 '
    call GET "/auth/factors/$OWN"
    same status "$STATUS" 404
}

step 'create user' create_user
step enroll enroll
step 'enroll own' enroll_own
step 'qr code' qr_code
step 'wrong code' wrong_code
step verify verify
step challenge challenge
step replay replay
step list pages
step get get
step 'unknown ids' unknown_ids
step 'bad secret' bad_secret
step 'wrong key' wrong_key
step password password
step 'sign in' sign_in
step jwks jwks
step refresh refresh
step sessions sessions
step events events
step 'recovery code' recovery_code
step delete delete
step 'delete user' delete_user
[ "$FAILURES" -eq 0 ]
