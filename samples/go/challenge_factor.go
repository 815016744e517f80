package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/mfa"
)

func challengeFactor(ctx context.Context, factors *mfa.Client, factorID string) error {
	// region
	challenge, err := factors.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: factorID})
	if err != nil {
		return err
	}

	fmt.Println(challenge.ID, challenge.ExpiresAt)
	// endregion
	return nil
}
