package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/mfa"
	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func enrollAuthFactor(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	enrolled, err := users.EnrollAuthFactor(ctx, usermanagement.EnrollAuthFactorOpts{
		User:       userID,
		Type:       mfa.TOTP,
		TOTPIssuer: "Acme",
	})
	if err != nil {
		return err
	}

	fmt.Println(enrolled.Factor.TOTP.QRCode, enrolled.Challenge.ID)
	// endregion
	return nil
}
