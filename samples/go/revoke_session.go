package main

import (
	"context"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func revokeSession(ctx context.Context, users *usermanagement.Client, sessionID string) error {
	// region
	err := users.RevokeSession(ctx, usermanagement.RevokeSessionOpts{SessionID: sessionID})
	// endregion
	return err
}
