<?php

// region
// composer require workos/workos-php:^4
require "vendor/autoload.php";

WorkOS\WorkOS::setApiKey(getenv("API_KEY"));
WorkOS\WorkOS::setClientId(getenv("CLIENT_ID"));
WorkOS\WorkOS::setApiBaseUrl(getenv("BASE_URL"));

$userManagement = new WorkOS\UserManagement();
$mfa = new WorkOS\MFA();
// endregion
