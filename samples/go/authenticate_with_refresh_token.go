package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func authenticateWithRefreshToken(ctx context.Context, users *usermanagement.Client, clientID, refreshToken string) error {
	// region
	refreshed, err := users.AuthenticateWithRefreshToken(ctx, usermanagement.AuthenticateWithRefreshTokenOpts{
		ClientID:     clientID,
		RefreshToken: refreshToken,
	})
	if err != nil {
		return err
	}

	fmt.Println(refreshed.AccessToken, refreshed.RefreshToken)
	// endregion
	return nil
}
