<?php

// Stands in for workos/workos-php 9, which no registry here serves. It has the methods, the parameters with their
// names and types, and the exceptions that docs/how-to/sign-in.md uses. Types are strict in it, as they are there.

declare(strict_types=1);

namespace WorkOS\Exception {
    class ApiException extends \Exception
    {
        public function __construct(
            string $message,
            public readonly int $statusCode,
            public readonly ?string $apiErrorCode,
            public readonly string $rawBody,
        ) {
            parent::__construct($message, $statusCode);
        }
    }

    class AuthorizationException extends ApiException
    {
    }
}

namespace WorkOS\Service {
    class PasswordPlaintext
    {
        public function __construct(public readonly string $password)
        {
        }
    }

    class UserManagement
    {
        public function __construct(private \WorkOS\WorkOS $workos)
        {
        }

        public function createUser(
            string $email,
            ?string $firstName = null,
            ?string $lastName = null,
            ?string $name = null,
            ?bool $emailVerified = null,
            ?array $metadata = null,
            ?string $externalId = null,
            ?string $ipAddress = null,
            ?string $userAgent = null,
            ?string $signalsId = null,
            ?PasswordPlaintext $password = null,
        ): object {
            $names = ['email' => $email, 'first_name' => $firstName, 'password' => $password?->password];
            return $this->workos->post('/user_management/users', $names);
        }

        public function authenticateWithPassword(string $email, string $password): object
        {
            return $this->workos->authenticate('password', ['email' => $email, 'password' => $password]);
        }

        public function authenticateWithTotp(
            string $code,
            string $pendingAuthenticationToken,
            string $authenticationChallengeId,
        ): object {
            return $this->workos->authenticate('urn:workos:oauth:grant-type:mfa-totp', [
                'code' => $code,
                'pending_authentication_token' => $pendingAuthenticationToken,
                'authentication_challenge_id' => $authenticationChallengeId,
            ]);
        }
    }

    class MultiFactorAuth
    {
        public function __construct(private \WorkOS\WorkOS $workos)
        {
        }

        public function createUserAuthFactor(string $userlandUserId, string $type): object
        {
            return $this->workos->post("/user_management/users/$userlandUserId/auth_factors", ['type' => $type]);
        }

        public function verifyChallenge(string $id, string $code): object
        {
            return $this->workos->post("/auth/challenges/$id/verify", ['code' => $code]);
        }
    }
}

namespace WorkOS {
    class WorkOS
    {
        public function __construct(
            private ?string $apiKey = null,
            private ?string $clientId = null,
            private string $baseUrl = 'https://api.workos.com',
        ) {
        }

        public function userManagement(): Service\UserManagement
        {
            return new Service\UserManagement($this);
        }

        public function multiFactorAuth(): Service\MultiFactorAuth
        {
            return new Service\MultiFactorAuth($this);
        }

        public function authenticate(string $grant, array $fields): object
        {
            $credentials = ['grant_type' => $grant, 'client_id' => $this->clientId, 'client_secret' => $this->apiKey];
            return $this->post('/user_management/authenticate', $credentials + $fields);
        }

        public function post(string $path, array $fields): object
        {
            $http = [
                'method' => 'POST',
                'header' => ["Authorization: Bearer $this->apiKey", 'Content-Type: application/json'],
                'content' => json_encode(array_filter($fields, fn ($value) => $value !== null)),
                'ignore_errors' => true,
            ];
            $body = file_get_contents($this->baseUrl . $path, false, stream_context_create(['http' => $http]));
            $status = (int) explode(' ', $http_response_header[0])[1];
            $found = json_decode($body, true);
            if ($status === 403) {
                throw new Exception\AuthorizationException($found['message'], $status, $found['code'] ?? null, $body);
            }
            if ($status >= 400) {
                throw new Exception\ApiException($found['message'] ?? '', $status, $found['code'] ?? null, $body);
            }
            return self::model($found);
        }

        /** Names of properties are in camel case, as in the SDK's models. */
        private static function model(array $fields): object
        {
            $model = new \stdClass();
            foreach ($fields as $name => $value) {
                $camel = lcfirst(str_replace('_', '', ucwords((string) $name, '_')));
                $model->$camel = is_array($value) ? self::model($value) : $value;
            }
            return $model;
        }
    }
}
