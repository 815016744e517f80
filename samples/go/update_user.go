package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func updateUser(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	plan := "pro"
	user, err := users.UpdateUser(ctx, usermanagement.UpdateUserOpts{
		User:      userID,
		FirstName: "Kim",
		Metadata:  map[string]*string{"plan": &plan},
	})
	if err != nil {
		return err
	}

	fmt.Println(user.UpdatedAt)
	// endregion
	return nil
}
