<?php

// region
$user = $userManagement->createUser($email, $password, "Kim");

echo $user->id;
// endregion
