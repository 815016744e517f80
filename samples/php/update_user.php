<?php

// region
$user = $userManagement->updateUser($userId, firstName: "Kim", metadata: ["plan" => "pro"]);

echo $user->updatedAt;
// endregion
