<?php

// region
$user = $userManagement->getUser($userId);

echo $user->email;
// endregion
