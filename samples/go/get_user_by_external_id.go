package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func getUserByExternalId(ctx context.Context, users *usermanagement.Client, externalID string) error {
	// region
	user, err := users.GetUserByExternalID(ctx, usermanagement.GetUserByExternalIDOpts{
		ExternalID: externalID,
	})
	if err != nil {
		return err
	}

	fmt.Println(user.ID)
	// endregion
	return nil
}
