package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func listSessions(ctx context.Context, users *usermanagement.Client, userID string) error {
	// region
	sessions, err := users.ListSessions(ctx, userID, usermanagement.ListSessionsOpts{Limit: 10})
	if err != nil {
		return err
	}

	for _, session := range sessions.Data {
		fmt.Println(session.ID, session.Status)
	}
	// endregion
	return nil
}
