package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func listAuthFactors(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	listed, err := users.ListAuthFactors(ctx, usermanagement.ListAuthFactorsOpts{User: userID})
	if err != nil {
		return err
	}

	for _, factor := range listed.Data {
		fmt.Println(factor.ID, factor.Type)
	}
	// endregion
	return nil
}
