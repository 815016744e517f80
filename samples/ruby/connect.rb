# frozen_string_literal: true

# region
# gem install workos --version "~> 5.0"
require "workos"

# This version speaks TLS on port 443 only.
WorkOS.configure do |config|
  config.key = ENV.fetch("API_KEY")
  config.api_hostname = "auth.example.org"
end
# endregion
