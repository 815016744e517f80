# frozen_string_literal: true

# Stands in for the gem workos 10, which no registry here serves. It has the methods, the keywords and the exceptions
# that docs/how-to/sign-in.md uses.

require "json"
require "net/http"
require "uri"

module WorkOS
  class APIError < StandardError
    attr_reader :http_status, :code, :body

    def initialize(http_status, body)
      super(body["message"])
      @http_status = http_status
      @code = body["code"]
      @body = body
    end
  end

  class ForbiddenRequestError < APIError; end

  # A response: its fields are methods, and a name that it lacks is an error.
  class Model
    def initialize(fields)
      @fields = fields
    end

    def method_missing(name, *arguments)
      return super unless arguments.empty? && @fields.key?(name.to_s)

      value = @fields[name.to_s]
      value.is_a?(Hash) ? Model.new(value) : value
    end

    def respond_to_missing?(name, _include_private = false)
      @fields.key?(name.to_s) || super
    end
  end

  class UserManagement
    PasswordPlaintext = Struct.new(:password, keyword_init: true)

    def initialize(client)
      @client = client
    end

    def create_user(email:, first_name: nil, last_name: nil, password: nil)
      unless password.nil? || password.is_a?(PasswordPlaintext)
        raise ArgumentError, "expected password to be a PasswordPlaintext, got #{password.class}"
      end
      fields = {"email" => email, "first_name" => first_name, "last_name" => last_name}
      @client.post("/user_management/users", fields.merge("password" => password&.password))
    end

    def authenticate_with_password(email:, password:)
      @client.authenticate("password", "email" => email, "password" => password)
    end

    def authenticate_with_totp(code:, pending_authentication_token:, authentication_challenge_id:)
      @client.authenticate(
        "urn:workos:oauth:grant-type:mfa-totp",
        "code" => code,
        "pending_authentication_token" => pending_authentication_token,
        "authentication_challenge_id" => authentication_challenge_id
      )
    end
  end

  class MultiFactorAuth
    def initialize(client)
      @client = client
    end

    def create_user_auth_factor(userland_user_id:, type:, totp_issuer: nil, totp_user: nil, totp_secret: nil)
      fields = {"type" => type, "totp_issuer" => totp_issuer, "totp_user" => totp_user, "totp_secret" => totp_secret}
      @client.post("/user_management/users/#{userland_user_id}/auth_factors", fields)
    end

    def verify_challenge(id:, code:)
      @client.post("/auth/challenges/#{id}/verify", "code" => code)
    end
  end

  class Client
    def initialize(api_key:, client_id: nil, base_url: "https://api.workos.com")
      @api_key = api_key
      @client_id = client_id
      @base_url = base_url
    end

    def user_management
      UserManagement.new(self)
    end

    def multi_factor_auth
      MultiFactorAuth.new(self)
    end

    def authenticate(grant, fields)
      credentials = {"grant_type" => grant, "client_id" => @client_id, "client_secret" => @api_key}
      post("/user_management/authenticate", credentials.merge(fields))
    end

    def post(path, fields)
      headers = {"Authorization" => "Bearer #{@api_key}", "Content-Type" => "application/json"}
      response = Net::HTTP.post(URI(@base_url + path), fields.compact.to_json, headers)
      status = response.code.to_i
      body = JSON.parse(response.body)
      raise ForbiddenRequestError.new(status, body) if status == 403
      raise APIError.new(status, body) if status >= 400

      Model.new(body)
    end
  end
end
