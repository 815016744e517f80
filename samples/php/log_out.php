<?php

// region
$url = $userManagement->getLogoutUrl($sessionId, $returnTo);

header("Location: $url");
// endregion
