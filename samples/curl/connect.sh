# region
export BASE_URL="${BASE_URL:-http://127.0.0.1:8080}"
export API_KEY="${API_KEY:-sk_...}"
export CLIENT_ID="${CLIENT_ID:-client_...}"
# endregion
