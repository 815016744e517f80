<?php

// region
$challenge = $mfa->challengeFactor($factorId);

echo $challenge->id;
// endregion
