package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func createUser(ctx context.Context, users *usermanagement.Client, email, password string) error {
	// region
	user, err := users.CreateUser(ctx, usermanagement.CreateUserOpts{
		Email:     email,
		Password:  password,
		FirstName: "Kim",
	})
	if err != nil {
		return err
	}

	fmt.Println(user.ID)
	// endregion
	return nil
}
