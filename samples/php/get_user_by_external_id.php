<?php

// region
$user = $userManagement->getUserByExternalId($externalId);

echo $user->id;
// endregion
