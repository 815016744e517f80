<?php

// region
$factor = $mfa->enrollFactor("totp", "Acme", "kim@example.org");

echo $factor->id;
// endregion
