<?php

// region
$enrolled = $userManagement->enrollAuthFactor($userId, "totp", "Acme");

echo $enrolled->authenticationFactor->totp["qr_code"], $enrolled->authenticationChallenge->id;
// endregion
