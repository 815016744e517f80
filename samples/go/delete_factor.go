package main

import (
	"context"

	"github.com/workos/workos-go/v6/pkg/mfa"
)

func deleteFactor(ctx context.Context, factors *mfa.Client, factorID string) error {
	// region
	err := factors.DeleteFactor(ctx, mfa.DeleteFactorOpts{FactorID: factorID})
	// endregion
	return err
}
