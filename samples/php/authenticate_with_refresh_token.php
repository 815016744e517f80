<?php

// region
$refreshed = $userManagement->authenticateWithRefreshToken($clientId, $refreshToken);

echo $refreshed->accessToken;
// endregion
