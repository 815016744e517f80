<?php

// region
$signedIn = $userManagement->authenticateWithTotp(
    $clientId,
    $pendingAuthenticationToken,
    $challengeId,
    $code
);

echo $signedIn->user->id;
// endregion
