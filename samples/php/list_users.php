<?php

// region
$users = $userManagement->listUsers($email);

foreach ($users->users as $user) {
    echo $user->id, PHP_EOL;
}
// endregion
