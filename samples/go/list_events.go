package main

import (
	"context"
	"fmt"

	"github.com/workos/workos-go/v6/pkg/events"
)

func listEvents(ctx context.Context, log *events.Client) error {
	// region
	found, err := log.ListEvents(ctx, events.ListEventsOpts{
		Events: []string{"user.created", "session.revoked"},
		Limit:  20,
	})
	if err != nil {
		return err
	}

	for _, event := range found.Data {
		fmt.Println(event.Event, event.CreatedAt)
	}
	// endregion
	return nil
}
