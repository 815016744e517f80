package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/mfa"
)

func enrollFactor(ctx context.Context, factors *mfa.Client) error {
	// region
	factor, err := factors.EnrollFactor(ctx, mfa.EnrollFactorOpts{
		Type:       mfa.TOTP,
		TOTPIssuer: "Acme",
		TOTPUser:   "kim@example.org",
	})
	if err != nil {
		return err
	}

	fmt.Println(factor.ID, factor.TOTP.QRCode)
	// endregion
	return nil
}
