package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/mfa"
)

func verifyChallenge(ctx context.Context, factors *mfa.Client, challengeID, code string) error {
	// region
	answer, err := factors.VerifyChallenge(ctx, mfa.VerifyChallengeOpts{
		ChallengeID: challengeID,
		Code:        code,
	})
	if err != nil {
		return err
	}

	fmt.Println(answer.Valid)
	// endregion
	return nil
}
