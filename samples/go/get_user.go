package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func getUser(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	user, err := users.GetUser(ctx, usermanagement.GetUserOpts{User: userID})
	if err != nil {
		return err
	}

	fmt.Println(user.Email)
	// endregion
	return nil
}
