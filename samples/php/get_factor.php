<?php

// region
$factor = $mfa->getFactor($factorId);

echo $factor->type;
// endregion
