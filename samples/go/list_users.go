package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func listUsers(ctx context.Context, users *usermanagement.Client, email string) error {
	// region
	found, err := users.ListUsers(ctx, usermanagement.ListUsersOpts{Email: email})
	if err != nil {
		return err
	}

	for _, user := range found.Data {
		fmt.Println(user.ID, user.Email)
	}
	// endregion
	return nil
}
