<?php

// region
$factors = $userManagement->listAuthFactors($userId);

foreach ($factors as $factor) {
    echo $factor->id, PHP_EOL;
}
// endregion
