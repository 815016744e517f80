<?php

// region
$mfa->deleteFactor($factorId);
// endregion
