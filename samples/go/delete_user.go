package main

import (
	"context"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func deleteUser(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	err := users.DeleteUser(ctx, usermanagement.DeleteUserOpts{User: userID})
	// endregion
	return err
}
