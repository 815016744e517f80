package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func authenticateWithPassword(ctx context.Context, users *usermanagement.Client, clientID, email, password string) error {
	// region
	signedIn, err := users.AuthenticateWithPassword(ctx, usermanagement.AuthenticateWithPasswordOpts{
		ClientID: clientID,
		Email:    email,
		Password: password,
	})
	if err != nil {
		return err
	}

	fmt.Println(signedIn.User.ID, signedIn.AccessToken, signedIn.RefreshToken)
	// endregion
	return nil
}
