package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func authenticateWithTotp(ctx context.Context, users *usermanagement.Client, clientID, code, challengeID, pendingAuthenticationToken string) error {
	// region
	signedIn, err := users.AuthenticateWithTOTP(ctx, usermanagement.AuthenticateWithTOTPOpts{
		ClientID:                   clientID,
		Code:                       code,
		AuthenticationChallengeID:  challengeID,
		PendingAuthenticationToken: pendingAuthenticationToken,
	})
	if err != nil {
		return err
	}

	fmt.Println(signedIn.User.ID, signedIn.AccessToken, signedIn.RefreshToken)
	// endregion
	return nil
}
