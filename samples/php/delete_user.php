<?php

// region
$userManagement->deleteUser($userId);
// endregion
