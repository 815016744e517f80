# frozen_string_literal: true

# region
url = WorkOS::UserManagement.get_jwks_url(client_id)

puts Net::HTTP.get(URI(url))
# endregion
