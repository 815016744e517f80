package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/mfa"
)

func getFactor(ctx context.Context, factors *mfa.Client, factorID string) error {
	// region
	factor, err := factors.GetFactor(ctx, mfa.GetFactorOpts{FactorID: factorID})
	if err != nil {
		return err
	}

	fmt.Println(factor.ID, factor.Type)
	// endregion
	return nil
}
