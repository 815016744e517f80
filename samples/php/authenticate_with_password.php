<?php

// region
$signedIn = $userManagement->authenticateWithPassword($clientId, $email, $password);

echo $signedIn->user->id;
// endregion
