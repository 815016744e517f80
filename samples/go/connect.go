package main

import (
	"os"

	"github.com/workos/workos-go/v6/pkg/events"
	"github.com/workos/workos-go/v6/pkg/mfa"
	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

type clients struct {
	users   *usermanagement.Client
	factors *mfa.Client
	log     *events.Client
}

func connect() clients {
	// region
	// go get github.com/workos/workos-go/v6
	key, address := os.Getenv("API_KEY"), os.Getenv("BASE_URL")

	users := usermanagement.NewClient(key)
	users.Endpoint = address
	factors := &mfa.Client{APIKey: key, Endpoint: address}
	log := &events.Client{APIKey: key, Endpoint: address}
	// endregion
	return clients{users, factors, log}
}
