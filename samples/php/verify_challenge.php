<?php

// region
$answer = $mfa->verifyChallenge($challengeId, $code);

echo $answer->valid ? "welcome" : "try again";
// endregion
