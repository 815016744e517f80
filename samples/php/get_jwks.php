<?php

// region
$url = $userManagement->getJwksUrl($clientId);

echo file_get_contents($url);
// endregion
